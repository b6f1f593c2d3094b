/* filter.c - a BPF expression over frames of any link type, compiled and run by libpcap.
 *
 * What an expression compiles to depends on the link type, and a file or several interfaces may have several: each is
 * compiled when it first occurs, and kept. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "source.h"

#include <pcap.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPLEN = 262144, PROGRAMS_MOST = 64 /* link types of one capture; frames of further ones cannot be matched */ };

struct program {
	uint16_t linktype;
	bool good;
	struct bpf_program code;
};

struct filter {
	char *expression;
	struct program *last; /* frames come in runs of one link type */
	size_t count;
	struct program program[PROGRAMS_MOST];
};

/* LINKTYPE_ values are the same everywhere; where systems gave a DLT_ different values, libpcap's own is translated. */
static const struct {
	uint16_t linktype;
	int dlt;
} differing[] = {
        {100, DLT_ATM_RFC1483}, {101, DLT_RAW}, {102, DLT_SLIP_BSDOS}, {103, DLT_PPP_BSDOS}, {106, DLT_ATM_CLIP},
};

int filter_dlt(uint16_t linktype)
{
	for (size_t i = 0; i < sizeof differing / sizeof differing[0]; i++)
		if (differing[i].linktype == linktype)
			return differing[i].dlt;
	return linktype;
}

uint16_t filter_linktype(int dlt)
{
	for (size_t i = 0; i < sizeof differing / sizeof differing[0]; i++)
		if (differing[i].dlt == dlt)
			return differing[i].linktype;
	return (uint16_t)dlt;
}

/* For a packet's direction or interface, where the frame does not hold them, libpcap takes it that the kernel will run the
 * program and uses loads from negative offsets.  Here nothing would match. */
static bool needs_kernel(const struct bpf_program *code)
{
	for (unsigned i = 0; i < code->bf_len; i++) {
		const struct bpf_insn *insn = &code->bf_insns[i];
		if (BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS && insn->k > INT32_MAX)
			return true;
	}
	return false;
}

static bool compile(const char *expression, uint16_t linktype, struct bpf_program *code, char **error)
{
	pcap_t *dead = pcap_open_dead(filter_dlt(linktype), SNAPLEN);
	if (!dead)
		return source_error(error, "out of memory");
	bool good = pcap_compile(dead, code, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!good)
		source_error(error, "%s", pcap_geterr(dead));
	pcap_close(dead);
	if (good && needs_kernel(code)) {
		pcap_freecode(code);
		return source_error(error, "frames of this link type do not say their direction or interface");
	}
	return good;
}

/* Does libpcap know how to find IP in frames of this link type? */
static bool linktype_known(uint16_t linktype)
{
	struct bpf_program code;
	bool good = compile("ip", linktype, &code, NULL);
	if (good)
		pcap_freecode(&code);
	return good;
}

static struct program *program_get(struct filter *filter, uint16_t linktype, char **error)
{
	for (size_t i = 0; i < filter->count; i++)
		if (filter->program[i].linktype == linktype)
			return &filter->program[i];
	if (filter->count == PROGRAMS_MOST)
		return NULL;
	struct program *program = &filter->program[filter->count++];
	program->linktype = linktype;
	program->good = compile(filter->expression, linktype, &program->code, error);
	return program;
}

/* For who writes one of Wireshark's display filters. */
static const char *hint(const char *expression)
{
	static const char *const fields[] = {"tcp.", "ip.", "ipv6.", "frame."};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (strstr(expression, fields[i]))
			return " (this is no display filter: see pcap-filter(7), like 'tcp port 443')";
	return "";
}

struct filter *filter_new(const char *expression, char **error)
{
	/* Ethernet, raw IP, 802.11 with radiotap, cooked: an expression that means nothing for all of them is wrong. */
	static const uint16_t common[] = {1, 101, 127, 276};
	struct filter *filter = calloc(1, sizeof *filter);
	if (filter)
		filter->expression = strdup(expression);
	if (!filter || !filter->expression) {
		filter_free(filter);
		source_error(error, "out of memory");
		return NULL;
	}
	char *first = NULL;
	for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
		const struct program *program = program_get(filter, common[i], i == 0 ? &first : NULL);
		if (program && program->good) {
			free(first);
			return filter;
		}
	}
	source_error(error, "filter \"%.200s\": %s%s", expression, first ? first : "out of memory", first ? hint(expression) : "");
	free(first);
	filter_free(filter);
	return NULL;
}

bool filter_require(struct filter *filter, uint16_t linktype, char **error)
{
	struct program *program = program_get(filter, linktype, NULL);
	if (!program || program->good || !linktype_known(linktype))
		return true;
	char *reason = NULL;
	program->good = compile(filter->expression, linktype, &program->code, &reason); /* again, for the reason */
	if (!program->good)
		source_error(error, "filter \"%.200s\": %s", filter->expression, reason ? reason : "out of memory");
	free(reason);
	return program->good;
}

enum filter_verdict filter_match(struct filter *filter, uint16_t linktype, const uint8_t *data, uint32_t caplen, uint32_t wirelen)
{
	struct program *program = filter->last;
	if (!program || program->linktype != linktype) {
		program = program_get(filter, linktype, NULL);
		if (program)
			filter->last = program;
	}
	if (!program || !program->good)
		return FILTER_CANNOT;
	struct pcap_pkthdr frame = {.caplen = caplen, .len = wirelen};
	return pcap_offline_filter(&program->code, &frame, data) != 0 ? FILTER_MATCHES : FILTER_REJECTS;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	for (size_t i = 0; i < filter->count; i++)
		if (filter->program[i].good)
			pcap_freecode(&filter->program[i].code);
	free(filter->expression);
	free(filter);
}
