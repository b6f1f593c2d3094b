/* fuzz_file.c - arbitrary bytes as a capture file: plain, gzip or zstd, pcap or pcapng.
 *
 * It must come to an end, lend only memory that can be read, count every frame and every byte. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "capture/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t touched;

static void look_at(const struct capture_batch *batch, uint64_t *number)
{
	assert(batch->count <= CAPTURE_BATCH);
	for (size_t i = 0; i < batch->count; i++) {
		const struct tcpaudit_frame *frame = &batch->frame[i];
		assert(frame->number == ++*number);
		assert(frame->data && frame->caplen <= 262144);
		assert(batch->fate[i] < TCPAUDIT_FATE_COUNT);
		if (frame->caplen > 0)
			touched = (uint8_t)(frame->data[0] ^ frame->data[frame->caplen - 1]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_input input = {.path = "fuzz"};
	struct buffers buffers;
	char *error = NULL;
	struct feed *feed = feed_open_memory(data, size, &error);
	buffers_init(&buffers, 0);
	struct file *file = feed ? file_open(feed, &input, 1, &buffers, &error) : NULL;
	if (!file) {
		assert(error && !input.error);
		free(error);
		return 0;
	}
	struct capture_batch batch;
	uint64_t number = 0, calls = 0;
	bool compressed = strchr(input.format, ' ') != NULL; /* "pcap gzip", "pcapng zstd" */
	/* Each call but the last hands out frames or takes bytes; of compressed data there may be a thousand times as many. */
	while (file_read(file, &batch) == SOURCE_MORE) {
		look_at(&batch, &number);
		assert(compressed || ++calls <= size / 12 + 8);
	}
	assert(batch.count == 0 && input.packets == number);
	assert(file_read(file, &batch) == SOURCE_END);
	if (input.error)
		assert(input.damage_offset == input.bytes);
	if (!compressed)
		assert(input.bytes + input.bytes_unread == size);
	file_close(file);
	free(input.error);
	return 0;
}
