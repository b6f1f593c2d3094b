/* names.c - the printed names of all enumerations, from the same lists that declare them. */
#include <tcpaudit/audit.h>

#define NAME(name, text) text,

const char *tcpaudit_state_name(enum tcpaudit_state state)
{
	static const char *const names[] = {TCPAUDIT_STATES(NAME)};
	return state < TCPAUDIT_STATE_COUNT ? names[state] : "?";
}

const char *tcpaudit_kind_name(enum tcpaudit_kind kind)
{
	static const char *const names[] = {TCPAUDIT_KINDS(NAME)};
	return kind < TCPAUDIT_KIND_COUNT ? names[kind] : "?";
}

const char *tcpaudit_fate_name(enum tcpaudit_fate fate)
{
	static const char *const names[] = {TCPAUDIT_FATES(NAME)};
	return fate < TCPAUDIT_FATE_COUNT ? names[fate] : "?";
}

const char *tcpaudit_unusable_name(enum tcpaudit_unusable reason)
{
	static const char *const names[] = {TCPAUDIT_UNUSABLES(NAME)};
	return reason < TCPAUDIT_UNUSABLE_COUNT ? names[reason] : "?";
}

const char *tcpaudit_confidence_name(enum tcpaudit_confidence confidence)
{
	static const char *const names[] = {"suppressed", "possible", "likely", "certain"};
	return confidence <= TCPAUDIT_CERTAIN ? names[confidence] : "?";
}

const char *tcpaudit_who_name(enum tcpaudit_who who)
{
	static const char *const names[] = {"client", "server", "both", "none", "unknown"};
	return who <= TCPAUDIT_WHO_UNKNOWN ? names[who] : "?";
}

const char *tcpaudit_vantage_name(enum tcpaudit_vantage vantage)
{
	static const char *const names[] = {"unknown", "far", "near", "at"};
	return vantage <= TCPAUDIT_VANTAGE_AT ? names[vantage] : "?";
}

const char *tcpaudit_label_confidence_name(enum tcpaudit_label_confidence confidence)
{
	static const char *const names[] = {"none", "dpi-partial", "dpi-cache", "dpi"};
	return confidence <= TCPAUDIT_LABEL_TEXT ? names[confidence] : "?";
}

const char *tcpaudit_severity_name(enum tcpaudit_severity severity)
{
	static const char *const names[] = {"info", "note", "warning", "error"};
	return severity <= TCPAUDIT_ERROR ? names[severity] : "?";
}

const char *tcpaudit_normative_name(enum tcpaudit_normative normative)
{
	static const char *const names[] = {"info", "risk", "SHOULD", "text", "MUST", "rule"};
	return normative <= TCPAUDIT_NORMATIVE_RULE ? names[normative] : "?";
}

const char *tcpaudit_premise_name(unsigned bit)
{
#define X(name, text) text,
	static const char *const names[] = {TCPAUDIT_PREMISES(X)};
#undef X
	return bit < TCPAUDIT_PREMISE_COUNT ? names[bit] : "?";
}

#ifndef TCPAUDIT_VERSION
#define TCPAUDIT_VERSION "0.1.0"
#endif

const char *tcpaudit_version(void)
{
	return TCPAUDIT_VERSION;
}
