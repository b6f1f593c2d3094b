/* utf8.h - what octets from anywhere are, as characters. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the well-formed UTF-8 character that begins at `s` (Unicode table 3-7), or 0. */
static inline size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* Makes text fit to be shown: what is no character, or none that can be seen, becomes `?`.  `utf8`: whether others than those of ASCII can
 * be. */
static inline void utf8_clean(char *text, bool utf8)
{
	unsigned char *s = (unsigned char *)text;

	while (*s != '\0') {
		size_t length = *s < 0x80 ? 1 : utf8 ? utf8_length(s) : 0;

		if (length == 0 || *s < 0x20 || *s == 0x7f || (*s == 0xc2 && s[1] < 0xa0))
			*s = '?';
		s += *s == '?' ? 1 : length;
	}
}

#endif
