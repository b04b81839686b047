export type Intent =
  | "courtesy"
  | "help"
  | "approval"
  | "stop"
  | "dismiss"
  | "situation"
  | "ongoing"
  | "extent"
  | "done"
  | "who_changed"
  | "next"
  | "why"
  | "why_so"
  | "why_not"
  | "safe_to_change"
  | "version"
  | "changes"
  | "flags"
  | "changed_before"
  | "seen_before"
  | "owner"
  | "blast_radius"
  | "metric"
  | "compare"
  | "logs"
  | "traces"
  | "runbook"
  | "postmortem"
  | "check"
  | "unknown_service"
  | "unclear";

/** What a question may be about without a service; a word that looks like one is then no reason to ask back. */
const GENERAL: ReadonlySet<Intent> = new Set<Intent>([
  "courtesy",
  "help",
  "approval",
  "stop",
  "dismiss",
  "situation",
  "ongoing",
  "extent",
  "done",
  "who_changed",
  "next",
  "why_so",
  "why_not",
  "safe_to_change",
  "changes",
  "flags",
  "changed_before",
  "seen_before",
  "runbook",
  "postmortem",
  "unclear",
]);

export const isGeneral = (intent: Intent): boolean => GENERAL.has(intent);

const CHANGE = String.raw`(?:chang\w+|deploy\w*|releas\w+|roll(?:ed)?[ -]?out\w*)`;
const PUSH = "(?:deploy|release|ship|merge|push|roll ?out)";
const STATE = String.raw`(?:ok(?:ay)?|fine|good|healthy|well|up|down|alive|dead|broken|slow\w*|failing|erroring|affected|impacted|degraded|normal)`;

/** What a cause may be called. */
const SUSPECT =
  "(?:deploy(?:ment)?s?|releases?|roll-?outs?|rollbacks?|commits?|versions?|flags?|toggles?|experiments?|config(?:uration)?|settings?|changes?|traffic|load|surges?|bots?|databases?|db|cache|queue|network|dns|dependenc(?:y|ies)|upstream|downstream|memory|cpu|disk|pool|gc|noise|false alarm|bug)";

const any = (...patterns: readonly string[]): RegExp => new RegExp(patterns.join("|"));

/** First match wins, so the more particular come first. */
const INTENTS: readonly (readonly [Intent, RegExp])[] = [
  [
    "courtesy",
    /^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|night)|thanks?|thank you|thx|cheers|great|nice|cool|perfect|well done|good (?:job|bot|work)|bye|ok(?:ay)?|got it|understood|ack|sure|noted|on it|sounds good|makes sense)(?: (?:vigil|there|all|team|a lot|so much|very much|you|job|work))*[\s!.,]*)+$/,
  ],
  [
    "help",
    /^help\b|^\?+$|\bwhat (?:can|do|could) (?:you|i) (?:do|ask|say|type|know)\b|\bhow (?:do|can) (?:i|we) (?:use|talk to|ask) (?:you|this)\b|\bwho are you\b|\bwhat are you\b/,
  ],
  [
    "approval",
    /^(?:(?:yes|yep|ok(?:ay)?|please|lgtm)[\s,!.]*)*(?:i )?(?:approved?|lgtm|go ahead|do it|confirm(?:ed)?|make it so)\b|\bapprove (?:pro-\d+|it|this|that|them|all|everything|the|your|any)\b|\b(?:run|execute|approve) (?:all|every|the|your|any|those|these) (?:proposals?|actions?)\b|\b(?:can|may|should|shall|do) (?:i|we) (?:just |have to |need to )?approve\b|\bwho (?:can|may|must|should|has to) approve\b|\bhow (?:do|can) (?:i|we) approve\b/,
  ],
  [
    "stop",
    /^(?:(?:please|vigil|no|hey|just)[\s,!.]*)*(?:stop|halt|abort|freeze|cancel)(?: (?:it|that|this|now|everything|all|vigil|please|immediately|right now|(?:all )?actions?|what you(?:'re| are) doing))*[\s!.]*$|\b(?:kill ?switch|emergency stop)\b/,
  ],
  [
    "dismiss",
    /^(?:please )?(?:ignore|dismiss|mute|silence|snooze|close|never ?mind|false alarm|false positive)\b|^(?:(?:it|this|that)(?:'s| is| was) )?(?:just |only |a )*(?:noise|false alarm|false positive|not (?:an? )?(?:issue|problem|incident))[\s!.]*$/,
  ],
  [
    "why_so",
    /\bwhy (?:do|did|would|are) you\b|\bhow do you know\b|\bwhat makes you\b|\bare you sure\b|\bhow (?:sure|certain|confident)\b|\b(?:what is|show|where is) (?:the |your )?(?:proof|evidence|reasoning)\b|\bexplain(?: (?:that|this|it|yourself|your|please)|\W*$)|\belaborate\b|^(?:please |give me |show me |tell me )?(?:more|the )?\s?(?:details?|more)\b\W*$|\beli5\b/,
  ],
  [
    "safe_to_change",
    new RegExp(
      String.raw`\b(?:safe|ok(?:ay)?|fine|alright|good (?:time|idea|moment)) (?:for us |for me )?to ${PUSH}\b|\b(?:can|may|should|could) (?:i|we|one) (?:now )?${PUSH}\b|\b(?:freeze|frozen)\b`,
    ),
  ],
  [
    "why_not",
    any(
      String.raw`\bwhy (?:not|is(?:n't| it not)|was(?:n't| it not)|could(?:n't| it not))\b`,
      String.raw`\b(?:could|can|might|may) (?:it|this|that) (?:be|have been)\b`,
      String.raw`\brul(?:ed?|ing) out\b`,
      String.raw`\bshould (?:i|we) (?:not )?(?:roll ?back|revert|undo|disable|turn off|switch off|restart|scale)\b`,
      String.raw`^(?:so |and |but )?(?:did|does|has|have|could|can|might) (?:the |a |an |our |your |my )?(?:[\w-]+ ){0,2}${SUSPECT} (?:\w+ ){0,2}(?:cause[ds]?|trigger(?:ed)?|break|broken?|do)\b`,
      // "Was that the deploy?" suspects something; "was it the 12th?" does not.
      String.raw`^(?:so|and|but|wait|hm+)?[\s,]*(?:was|is|were|are) (?:it|this|that|these) (?:really |maybe |just )?(?:due to |because of |caused by |from |about )?(?:the|a|an|our|your|my|[\w-]+'s|[\w-]+)? ?(?:[\w-]+ ){0,2}${SUSPECT}\b`,
      String.raw`\b${SUSPECT} (?:to blame|at fault|the (?:cause|reason|culprit))\b`,
    ),
  ],
  [
    "ongoing",
    any(
      String.raw`^(?!.*\bwhy\b).*\bstill (?:going|happening|ongoing|on|slow\w*|broken|failing|erroring|down|there|open|off|high|an (?:issue|problem)|a (?:issue|problem)|bad|affected|degraded)\b`,
      String.raw`^(?!.*\bwhy\b).*\b(?:is|are|was|has|have|did) (?:it|this|that|things|we|everything|the (?:issue|problem|incident|outage)) (?:\w+ )?(?:over|fixed|resolved|gone|back|better|worse|recover(?:ed|ing)?|solved|mitigated|stopped?|improv(?:ed?|ing)|end(?:ed)?)\b`,
      String.raw`\b(?:did|has|does|is|was) (?:it|that|this|the [\w-]+) (?:really |actually )?(?:help(?:ed|ing|ful)?|work(?:ed|ing)?)\b`,
      String.raw`\b(?:any|getting|get) (?:better|worse)\b`,
      // What is to come is not known; what is so now, and which way it moves, is.
      String.raw`\bwhat if (?:i|we) (?:do nothing|wait|ignore|leave)\b|\bcan (?:it|this|that) wait\b`,
      String.raw`\bwhen (?:will|does|is) (?:it|this|that) (?:be )?(?:over|fixed|gone|back|better|end|stop|resolved?)\b|^eta\W*$`,
      String.raw`\bstill\b\s*\?*$`,
    ),
  ],
  [
    "extent",
    any(
      String.raw`\bhow (?:bad|severe|serious|large|big|critical|urgent)\b`,
      String.raw`\bhow many (?:users|customers|clients|people)\b`,
      String.raw`\bhow long (?:has|is|was)\b`,
      String.raw`^since when\b|\bwhen did (?:it|this|that|the (?:issue|problem|incident)) (?:all )?(?:start|begin|happen)\b`,
      String.raw`\b(?:customers?|users?|clients?|anyone|anybody|who|who's) (?:is |are |be |being )?(?:affected|impacted|hit|hurt|feel\w*|notic\w+)\b`,
      String.raw`\bimpact\b(?! of)`,
    ),
  ],
  [
    "done",
    any(
      String.raw`\bwhat (?:did|have|has|are|were) (?:you|vigil) (?:just |already |actually )?(?:do|done|doing|try|tried|trying|change|changed|run)\b`,
      String.raw`\bwhat (?:was|has been|did we|have we) (?:done|do|tried|try)\b`,
      String.raw`\b(?:what|which|any) actions? (?:did|have|has|were|was|ran|run|taken)\b|\bdid you (?:do|change|touch|try|run) (?:anything|something)\b`,
    ),
  ],
  [
    "who_changed",
    /\bwho(?:'s| is| was| has)? (?:the (?:one|person) (?:who|that) )?(?:did|done|changed|made|flipped|deployed|pushed|toggled|turned|raised|released|merged|shipped|rolled|broke|caused|to blame|behind)\b/,
  ],
  [
    "compare",
    /\b(?:compar\w*|versus|vs\.?|against|than|relative to)\b.*\b(?:week|yesterday|before|usual|normal)\b|\blast week\b|\bweek over week\b/,
  ],
  [
    "changed_before",
    new RegExp(
      String.raw`\b${CHANGE}\b.*\b(?:like (?:this|that|it)|similar)\b|\b(?:similar|ever)\b.*\b${CHANGE}\b|\b(?:past|earlier) (?:changes?|deploys?|releases?|roll-?outs?)\b`,
    ),
  ],
  [
    "version",
    /\b(?:which|what)(?:'s| is)? (?:the )?(?:current )?(?:version|release|build|image|commit)\b|\bversion of\b|\bwhat(?:'s| is) (?:deployed|running)\b|\bwhat runs\b/,
  ],
  [
    "flags",
    /\b(?:what|which|list|show|all)\b(?!.*\b(?:chang\w+|flipped|toggled|raised|since)\b).*\bflags?\b|\bflags? (?:state|status)\b/,
  ],
  [
    "changes",
    /\bchang(?:e|ed|es|ing)\b|\bdeploy(?:s|ed|ment|ments)?\b|\breleas(?:e|ed|es)\b|\brolled out\b|\bflags?\b.*\b(?:since|today|flipped|toggled)\b|\bwho (?:deployed|flipped|toggled|pushed)\b/,
  ],
  [
    "seen_before",
    /\bseen (?:this|it|that|something like)\b|\bhappened before\b|\b(?:similar|past|previous|earlier) (?:incident|outage|case|problem)s?\b|\bever (?:had|seen|happened)\b|\bhad (?:this|that) before\b|\b(?:related|connected|linked|similar) to\b/,
  ],
  [
    "owner",
    /\bwho(?:'s| is| are)?\b.*\b(?:on[- ]?call|on duty|owns?|owner|responsible|maintains?|team)\b|\bowner of\b|\bwhich team\b|\bwho (?:do|should|can) (?:i|we) (?:call|page|ask|wake)\b|\bescalat\w+\b|^(?:please )?(?:page|wake|call) (?:someone|somebody|them|the|on-?call)\b|\bshould (?:i|we) (?:page|wake|call)\b/,
  ],
  [
    "blast_radius",
    /\bblast radius\b|\bdepend(?:s|ent|ents|encies|ency)?\b|\b(?:upstream|downstream)\b|\bwho calls\b|\bwhat (?:else )?(?:breaks|is affected|would break)\b|\bimpact of\b/,
  ],
  [
    "runbook",
    /\brun ?books?\b|\bplaybooks?\b|\bhow (?:do|to|can) (?:i|we|one)?\s*(?:restart|handle|drain|fail ?over|scale|debug)\b/,
  ],
  ["postmortem", /\bpost-? ?mortems?\b|\bincident (?:report|review)\b|\bretro(?:spective)?\b/],
  ["traces", /\btraces?\b|\bspans?\b|\bslow(?:est)? (?:requests?|calls?|queries)\b/],
  ["logs", /\blogs?\b|\blog lines?\b|\berror messages?\b|\bexceptions?\b|\bstack ?traces?\b/],
  [
    "why",
    /\bwhy\b|\bwhat(?:'s| is) (?:causing|behind|wrong with|going on (?:with|in)|up with|happening (?:to|with|in))\b|\broot cause\b|\binvestigat\w+\b|\bdiagnos\w+\b|\bwhat (?:broke|happened (?:to|with|in))\b|\b(?:look|dig) into\b/,
  ],
  [
    "next",
    /\bwhat (?:should|shall|do|can|must|could|would) (?:i|we|you) (?:do|check|try|look at|suggest|recommend|propose)\b|\bwhat(?:'s| is) (?:the |your )?(?:next|plan|fix|remedy|mitigation|recommendation|proposal)\b|\bnext steps?\b|\bhow (?:do|to|can|should) (?:i|we|one)?\s*(?:fix|mitigate|solve|resolve|stop|roll ?back|revert|undo)\b|\bwhat now\b|\brecommend\w*\b/,
  ],
  [
    "metric",
    /\bp(?:50|90|95|99)\b|\b(?:show|plot|graph|chart|draw|give)\b|\b(?:latency|error rate|errors|throughput|traffic|requests?|rps|qps|duration|response time)\b/,
  ],
  ["check", /\b(?:check|look at|inspect|what about|and the|how about)\b/],
  [
    "situation",
    any(
      String.raw`\b(?:anything|something|everything|all) (?:is |else )*(?:wrong|broken|ok(?:ay)?|fine|good|unusual|anomalous|up|off|weird|odd|strange|normal|quiet)\b`,
      String.raw`\bis (?:anything|everything|something)\b`,
      String.raw`\bare (?:we|there)\b`,
      String.raw`\bhow (?:is|are|'s)\b`,
      String.raw`\b(?:is|are)\b.*\b${STATE}\b`,
      String.raw`\bwhat(?:'s| is| has) (?:else )?(?:going on|happening|happened|up|new|wrong|broken|down|failing|open|unusual|anomalous|on fire|burning|waiting|pending|awaiting)\b`,
      String.raw`\bwhat(?:'s| is) (?:the )?(?:status|situation|problem|issue|matter|state|news)\b`,
      String.raw`\bwhat (?:happened|did i miss)\b`,
      String.raw`\b(?:status|sitrep|summary|summari[sz]e|tl;?dr|catch me up|overview|update me|any (?:news|update))\b`,
      String.raw`\b(?:any|open|current|active|ongoing|list)\b.*\b(?:incidents?|investigations?|alerts?|anomal(?:y|ies)|problems?|issues?|outages?)\b`,
      String.raw`\b(?:can|may|should) (?:i|we) (?:go )?(?:back )?(?:to )?(?:bed|sleep)\b`,
      String.raw`\bwhat (?:should|can|do|shall) (?:i|we) (?:tell|say to|report to|write to)\b`,
      String.raw`^what\W*$|\b(?:getting|got|being|been) paged\b`,
      String.raw`\b(?:pending|open) (?:approvals?|proposals?|actions?)\b`,
      String.raw`\b(?:which|slowest|worst) (?:services?|systems?)\b`,
      String.raw`\bhealthy?\b`,
    ),
  ],
  // Wanted, but not said plainly enough to be done: how to say it is the answer.
  ["stop", /^(?:(?:please|vigil|no|hey|just)[\s,!.]*)*(?:stop|halt|abort)\b(?! \w+ing\b)/],
];

/** What is wanted, by general rules of how engineers ask. `words` are in lower case. */
export const intentOf = (words: string): Intent => INTENTS.find(([, pattern]) => pattern.test(words))?.[0] ?? "unclear";
