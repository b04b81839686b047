import { z } from "zod";

/** Values that several parts of the configuration are made of. */
export const port = z.coerce.number().int().min(0).max(65_535);
export const flag = z
  .union([z.boolean(), z.enum(["true", "false", "on", "off", "1", "0", "yes", "no"])], "must be true or false")
  .transform((value) => (typeof value === "boolean" ? value : ["true", "on", "1", "yes"].includes(value)));
export const positive = z.coerce.number().positive();
export const filled = z.string().min(1);
export const webAddress = z.url({ protocol: /^https?$/ });
export const sharedSecret = z.string().min(8, "must have at least 8 characters");
