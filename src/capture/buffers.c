/* buffers.c - memory that files are read into.
 *
 * Without capture_keep(), a buffer belongs to its file and to nobody else.  With it, one that a file has read to its end waits in
 * line until those who look at frames in it let go. */
#include "source.h"

#include <stdlib.h>

struct buffer {
	struct buffer *next;
	uint64_t until; /* frames in it may have been handed out by calls up to this one */
	_Alignas(64) uint8_t octets[];
};

static struct buffer *buffer_of(uint8_t *octets)
{
	return (struct buffer *)(void *)(octets - offsetof(struct buffer, octets));
}

void buffers_init(struct buffers *buffers, size_t size)
{
	*buffers = (struct buffers){.size = size < FILE_BUFFER_LEAST ? FILE_BUFFER_LEAST : size};
}

uint8_t *buffers_take(struct buffers *buffers)
{
	struct buffer *buffer = buffers->spare;

	if (buffer)
		buffers->spare = buffer->next;
	else
		buffer = aligned_alloc(_Alignof(struct buffer), sizeof *buffer + ((buffers->size + 63) & ~(size_t)63));
	buffers->wanting = !buffer;
	return buffer ? buffer->octets : NULL;
}

void buffers_give(struct buffers *buffers, uint8_t *octets)
{
	if (!octets)
		return;
	struct buffer *buffer = buffer_of(octets);
	if (!buffers->keep) {
		free(buffer);
		return;
	}
	buffer->next = NULL;
	buffer->until = buffers->reads;
	*(buffers->kept ? &buffers->last->next : &buffers->kept) = buffer;
	buffers->last = buffer;
	buffers->waiting += buffers->size;
}

void buffers_let_go(struct buffers *buffers, uint64_t until)
{
	struct buffer *buffer;

	buffers->gone = until;
	while ((buffer = buffers->kept) && buffer->until <= until) {
		buffers->waiting -= buffers->size;
		buffers->kept = buffer->next;
		buffer->next = buffers->spare;
		buffers->spare = buffer;
	}
	buffers->wanting &= !buffers_idle(buffers);
}

void buffers_fini(struct buffers *buffers)
{
	struct buffer *next;

	buffers_let_go(buffers, UINT64_MAX);
	for (struct buffer *buffer = buffers->spare; buffer; buffer = next) {
		next = buffer->next;
		free(buffer);
	}
}
