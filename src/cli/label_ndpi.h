/* label_ndpi.h - nDPI's interface as label.c uses it, whichever of its versions from 4.2 on is there.
 *
 * configure finds out what the header declares (m4/ndpi.m4); nothing here asks for a version.  Included by label.c and
 * detectors.c alone, behind <ndpi_api.h>. */
#ifndef LABEL_NDPI_H
#define LABEL_NDPI_H

/* What nDPI found in a flow: protocol identifiers of its own, 0 for none. */
struct found {
	uint16_t proto;
	uint16_t service;
};

/* Has all of nDPI's memory come from these. */
static inline void ndpi_use_memory(void *(*get)(size_t), void (*put)(void *), void *(*get_zeroed)(size_t, size_t),
                                   void *(*resize)(void *, size_t))
{
#if HAVE_DECL_SET_NDPI_MALLOC
	(void)get_zeroed;
	(void)resize;
	set_ndpi_malloc(get);
	set_ndpi_free(put);
	set_ndpi_flow_malloc(get);
	set_ndpi_flow_free(put);
#else
	ndpi_set_memory_alloction_functions(get, put, get_zeroed, resize, NULL, NULL, get, put);
#endif
}

/* What nDPI has found at an address it remembers for a while, and takes for what another connection there carries: that is not
 * what was seen in its text, and depends on which other connections the same module was shown.  4.2 cannot be told so, but
 * remembers IPv4 addresses alone, of which it gets to see none. */
static inline void ndpi_no_memories(struct ndpi_detection_module_struct *module)
{
#if HAVE_DECL_NDPI_SET_CONFIG
	static const char *const names[] = {"lru.bittorrent.size", "lru.fpc_dns.size", "lru.mining.size", "lru.msteams.size",
	                                    "lru.ookla.size",      "lru.signal.size",  "lru.stun.size",   "lru.stun_zoom.size",
	                                    "lru.tls_cert.size",   "lru.zoom.size"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ndpi_set_config(module, NULL, names[i], "0"); /* a name that this version does not know changes nothing */
#elif defined NDPI_HAS_CACHE_SIZES
	for (int i = 0; i < NDPI_LRUCACHE_MAX; i++)
		ndpi_set_lru_cache_size(module, (lru_cache_type)i, 0);
#else
	(void)module;
#endif
}

/* A detection module with all protocols, nothing read from files, and no guesses by port or address.  NULL if it will not. */
static inline struct ndpi_detection_module_struct *ndpi_begin(void)
{
	struct ndpi_detection_module_struct *module;

#if HAVE_DECL_NDPI_DONT_INIT_LIBGCRYPT
	module = ndpi_init_detection_module(ndpi_dont_load_tor_hosts | ndpi_dont_init_libgcrypt);
#else
	module = ndpi_init_detection_module(NULL);
#endif
	if (module == NULL)
		return NULL;
#if HAVE_DECL_NDPI_SET_CONFIG
	ndpi_set_config(module, NULL, "libgcrypt.init", "0");
	ndpi_set_config(module, "any", "ip_list.load", "0");
	ndpi_set_config(module, NULL, "dpi.guess_on_giveup", "0");
#endif
#if HAVE_DECL_NDPI_SET_PROTOCOL_DETECTION_BITMASK2
	NDPI_PROTOCOL_BITMASK all;
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(module, &all);
#endif
	ndpi_no_memories(module);
	(void)ndpi_finalize_initialization(module);
	return module;
}

/* nDPI adds guesses by address to what it returns; what it recognised is in the flow.  There, HTTP on a port of another protocol
 * appears to be carried by that one, which nobody has seen. */
static inline struct found ndpi_found(const struct ndpi_flow_struct *flow)
{
	uint16_t upper = flow->detected_protocol_stack[0], lower = flow->detected_protocol_stack[1];

	return lower != NDPI_PROTOCOL_UNKNOWN && lower != upper && upper != NDPI_PROTOCOL_HTTP ? (struct found){lower, upper}
	                                                                                       : (struct found){upper, 0};
}

/* The text has no lines.  FTP's dissector compares every segment with a long list of commands and replies, one by one: a sixth
 * of all that nDPI does with text that it cannot name. */
static inline void ndpi_no_lines(struct ndpi_flow_struct *flow)
{
#ifdef NDPI_HAS_EXCLUDED_BITMASK
	NDPI_ADD_PROTOCOL_TO_BITMASK(flow->excluded_protocol_bitmask, NDPI_PROTOCOL_FTP_CONTROL);
#else
	(void)flow;
#endif
}

/* One IP packet. */
static inline void ndpi_look(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow, const uint8_t *packet,
                             uint16_t length, uint64_t ms, bool from_server)
{
#ifdef NDPI_HAS_INPUT_INFO
	struct ndpi_flow_input_info info = {.in_pkt_dir = from_server ? NDPI_IN_PKT_DIR_S_TO_C : NDPI_IN_PKT_DIR_C_TO_S,
	                                    .seen_flow_beginning = NDPI_FLOW_BEGINNING_SEEN};

	(void)ndpi_detection_process_packet(module, flow, packet, length, ms, &info);
#else
	(void)from_server;
	(void)ndpi_detection_process_packet(module, flow, packet, length, ms);
#endif
}

/* No more will come: what was seen in part may be enough. */
static inline void ndpi_last_word(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow)
{
#ifdef NDPI_GIVEUP_TAKES_GUESS
	u_int8_t guessed;
	(void)ndpi_detection_giveup(module, flow, 0, &guessed);
#elif defined NDPI_GIVEUP_TELLS_GUESS
	u_int8_t guessed;
	(void)ndpi_detection_giveup(module, flow, &guessed);
#else
	(void)ndpi_detection_giveup(module, flow);
#endif
}

/* By its name, which all versions have: their enumerations differ. */
static inline enum tcpaudit_label_confidence ndpi_confidence(const struct ndpi_flow_struct *flow)
{
	const char *name = ndpi_confidence_get_name(flow->confidence);

	if (name == NULL || strncmp(name, "DPI", 3) != 0)
		return TCPAUDIT_LABEL_NONE; /* by port, by address */
	if (name[3] == '\0')
		return TCPAUDIT_LABEL_TEXT;
	return strstr(name, "cache") != NULL ? TCPAUDIT_LABEL_CACHE : TCPAUDIT_LABEL_PARTIAL;
}

#endif
