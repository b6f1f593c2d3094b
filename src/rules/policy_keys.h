/* policy_keys.h - the keys of a rule file, once: for reading it, for its schema, and for its manual page. */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

/* Of a check and of a rule of the user's own: X(name, definition in the schema, what it is). */
#define POLICY_ROW_KEYS(X)                                                                                                       \
	X(enabled, "boolean", "false leaves it out")                                                                             \
	X(severity, "severity", "info, note, warning or error")                                                                  \
	X(scope, "bpf", "BPF expression: only for connections whose first frame it matches")                                     \
	X(where, "expression", "condition over the fields of the finding and of its connection: elsewhere there is none")            \
	X(needs, "premises", "premises without which a claim is undetermined: counted, no more")                                 \
	X(limit, "limit", "how many are shown before more are only counted")                                                     \
	X(suppress, "suppressions", "findings that are known and accepted, until a day and for a reason")

/* Of a rule of the user's own. */
#define POLICY_OWN_KEYS(X)                                                                                                       \
	X(id, "id", "its name in findings: small letters, digits and hyphens")                                                   \
	X(on, "point", "when it is asked: close, syn.reuse or tick")                                                             \
	X(when, "expression", "condition over the fields of the flow record, as in a display filter of Wireshark")               \
	X(title, "text", "one clause")                                                                                           \
	X(message, "template", "a sentence with the values of fields: {src_ip} or {close.kind}")

/* Settings of the whole: X(name, function, definition, what it is). */
#define POLICY_SETTINGS(X)                                                                                                       \
	X("msl", take_msl, "duration", "maximum segment lifetime; TIME-WAIT is presumed to last twice this")                     \
	X("idle-timeout", take_idle_timeout, "duration", "an open connection is given up after this time without a frame")       \
	X("tick", take_tick, "duration", "from one time that a rule on tick is asked to the next")

#endif
