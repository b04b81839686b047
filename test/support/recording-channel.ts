import type { IncidentChannel, InvestigationView, ProposalView } from "../../src/flows/ports.ts";

/** An incident channel that remembers what it was shown, in order. */
export class RecordingChannel implements IncidentChannel {
  readonly investigations: InvestigationView[] = [];
  readonly proposals: ProposalView[] = [];
  readonly told: { investigationId: string | null; text: string }[] = [];

  async showInvestigation(view: InvestigationView): Promise<void> {
    this.investigations.push(view);
  }

  async showProposal(view: ProposalView): Promise<void> {
    this.proposals.push(view);
  }

  async tell(investigationId: string | null, text: string): Promise<void> {
    this.told.push({ investigationId, text });
  }
}
