/* ndpi_api.h - what label_ndpi.h uses of nDPI's interfaces from 4.4 on, so that a machine with another version compiles against
 * them, too: tests/ndpi.sh.  INTERFACE is 404 (4.4 to 4.8), 410 (4.10 to 4.14) or 500. */
#ifndef NDPI_API_H
#define NDPI_API_H

#include <stddef.h>
#include <sys/types.h>

struct ndpi_detection_module_struct;

enum { NDPI_PROTOCOL_UNKNOWN = 0, NDPI_PROTOCOL_FTP_CONTROL = 1, NDPI_PROTOCOL_HTTP = 7 };
enum { NDPI_IN_PKT_DIR_UNKNOWN, NDPI_IN_PKT_DIR_C_TO_S, NDPI_IN_PKT_DIR_S_TO_C };
enum { NDPI_FLOW_BEGINNING_UNKNOWN, NDPI_FLOW_BEGINNING_SEEN };

typedef enum { NDPI_CONFIDENCE_UNKNOWN, NDPI_CONFIDENCE_DPI } ndpi_confidence_t;

struct ndpi_flow_input_info {
	unsigned char in_pkt_dir;
	unsigned char seen_flow_beginning;
};

#if INTERFACE < 500
typedef struct {
	u_int32_t fds_bits[16];
} NDPI_PROTOCOL_BITMASK;
#define NDPI_BITMASK_SET_ALL(mask)             ((void)((mask).fds_bits[0] = 0xffffffff))
#define NDPI_ADD_PROTOCOL_TO_BITMASK(mask, id) ((mask).fds_bits[(id) / 32] |= 1u << ((id) % 32))
void ndpi_set_protocol_detection_bitmask2(struct ndpi_detection_module_struct *module, const NDPI_PROTOCOL_BITMASK *mask);
#endif

struct ndpi_flow_struct {
	u_int16_t detected_protocol_stack[2];
	ndpi_confidence_t confidence;
#if INTERFACE < 500
	NDPI_PROTOCOL_BITMASK excluded_protocol_bitmask;
#endif
};

typedef struct ndpi_proto {
	u_int16_t master_protocol, app_protocol;
} ndpi_protocol;

#if INTERFACE < 500
void set_ndpi_malloc(void *(*get)(size_t));
void set_ndpi_free(void (*put)(void *));
void set_ndpi_flow_malloc(void *(*get)(size_t));
void set_ndpi_flow_free(void (*put)(void *));
#else
void ndpi_set_memory_alloction_functions(void *(*get)(size_t), void (*put)(void *), void *(*get_zeroed)(size_t, size_t),
                                         void *(*resize)(void *, size_t), void *(*get_aligned)(size_t, size_t),
                                         void (*put_aligned)(void *), void *(*get_flow)(size_t), void (*put_flow)(void *));
#endif

#if INTERFACE < 410
typedef enum { NDPI_LRUCACHE_OOKLA, NDPI_LRUCACHE_MAX } lru_cache_type; /* from 4.6 on */
int ndpi_set_lru_cache_size(struct ndpi_detection_module_struct *module, lru_cache_type type, u_int32_t entries);
typedef enum { ndpi_no_prefs = 0, ndpi_dont_load_tor_hosts = 1, ndpi_dont_init_libgcrypt = 2 } ndpi_prefs;
struct ndpi_detection_module_struct *ndpi_init_detection_module(u_int32_t prefs);
void ndpi_finalize_initialization(struct ndpi_detection_module_struct *module);
ndpi_protocol ndpi_detection_giveup(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow, u_int8_t guess,
                                    u_int8_t *guessed);
#else
struct ndpi_global_context;
typedef int ndpi_cfg_error;
struct ndpi_detection_module_struct *ndpi_init_detection_module(struct ndpi_global_context *context);
int ndpi_finalize_initialization(struct ndpi_detection_module_struct *module);
ndpi_cfg_error ndpi_set_config(struct ndpi_detection_module_struct *module, const char *proto, const char *param,
                               const char *value);
#if INTERFACE < 500
ndpi_protocol ndpi_detection_giveup(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow,
                                    u_int8_t *guessed);
#else
ndpi_protocol ndpi_detection_giveup(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow);
#endif
#endif

ndpi_protocol ndpi_detection_process_packet(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow,
                                            const unsigned char *packet, unsigned short length, u_int64_t ms,
                                            struct ndpi_flow_input_info *info);
void ndpi_free_flow_data(struct ndpi_flow_struct *flow);
const char *ndpi_confidence_get_name(ndpi_confidence_t confidence);
char *ndpi_get_proto_name(struct ndpi_detection_module_struct *module, u_int16_t proto);
char *ndpi_revision(void);

#endif
