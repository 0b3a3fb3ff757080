/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/pcap_read.h"

#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "check.h"

/* A capture of frames of 14 and 2 bytes, in either byte order. */
struct file {
	uint8_t bytes[128];
	size_t len;
	bool big;
};

static void put(struct file *file, uint32_t value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t shift = 8 * (file->big ? n - 1 - i : i);

		file->bytes[file->len++] = (uint8_t)(value >> shift);
	}
}

static void put_frame(struct file *file, uint32_t len, uint32_t true_len)
{
	put(file, 1, 4);
	put(file, 2, 4);
	put(file, len, 4);
	put(file, true_len, 4);
	for (uint32_t i = 0; i < len; i++)
		put(file, i, 1);
}

static struct file make(bool big, uint32_t magic)
{
	struct file file = {.big = big};

	put(&file, magic, 4);
	put(&file, 2, 2);
	put(&file, 4, 2);
	put(&file, 0, 4);
	put(&file, 0, 4);
	put(&file, 65535, 4);
	put(&file, 1, 4);
	put_frame(&file, 14, 14);
	put_frame(&file, 2, 60);
	return file;
}

static void every_variant_is_read(void **state)
{
	static const uint32_t magics[] = {0xa1b2c3d4U, 0xa1b23c4dU};
	char text[160];

	(void)state;
	for (int big = 0; big < 2; big++)
		for (size_t i = 0; i < 2; i++) {
			struct file file = make(big, magics[i]);
			struct clo_pcap_reader reader;
			struct clo_pcap_frame frame;

			assert_int_equal(clo_pcap_reader_init(file.bytes,
							      file.len, &reader,
							      text),
					 0);
			assert_int_equal(
				clo_pcap_reader_next(&reader, &frame, text), 1);
			assert_int_equal(frame.len, 14);
			assert_int_equal(frame.bytes[13], 13);
			assert_int_equal(
				clo_pcap_reader_next(&reader, &frame, text), 1);
			assert_int_equal(frame.len, 2);
			assert_int_equal(frame.true_len, 60);
			assert_int_equal(
				clo_pcap_reader_next(&reader, &frame, text), 0);
			assert_int_equal(reader.n, 2);
		}
}

/* The first word that is wrong, by offset, and what is said. */
static void what_is_malformed_is_named(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *says;
	} cases[] = {
		{0, 0x0a0d0d0aU, "pcapng"},
		{0, 0x08088b1fU, "gunzip"},
		{0, 0x12345678U, "no pcap file"},
		{4, 0x00040003U, "version 3"},
		{20, 101, "link type 101"},
		{32, 15, "15 bytes captured of 14"},
		{32, 262145, "262145 bytes is no frame's"},
		{36, 0xffffffffU, "4294967295 bytes is no frame's"},
		{62, 60, "claims 60 bytes, the file has 2 left"},
	};

	char text[160];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct file file = make(false, 0xa1b2c3d4U);
		struct clo_pcap_reader reader;
		struct clo_pcap_frame frame;
		int r;

		memcpy(file.bytes + cases[i].at, &cases[i].value, 4);
		r = clo_pcap_reader_init(file.bytes, file.len, &reader, text);
		while (r >= 0) {
			r = clo_pcap_reader_next(&reader, &frame, text);
			assert_int_not_equal(r, 0);
		}
		assert_int_equal(r, -EINVAL);
		if (!strstr(text, cases[i].says))
			fail_msg("%s, not %s", text, cases[i].says);
	}
}

/* Cut anywhere, nothing behind the end is read (ASan sees it). */
static void a_cut_file_is_refused_or_ends(void **state)
{
	const struct file file = make(false, 0xa1b2c3d4U);
	char text[160];

	(void)state;
	for (size_t len = 0; len < file.len; len++) {
		uint8_t *bytes = malloc(len ? len : 1);
		struct clo_pcap_reader reader;
		struct clo_pcap_frame frame;
		int r;

		assert_non_null(bytes);
		memcpy(bytes, file.bytes, len);
		r = clo_pcap_reader_init(bytes, len, &reader, text);
		while (r >= 0) {
			r = clo_pcap_reader_next(&reader, &frame, text);
			if (r == 0)
				break;
		}
		/* at the borders of frames a file may end */
		assert_int_equal(r, len == 24 || len == 54 ? 0 : -EINVAL);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_is_read),
		cmocka_unit_test(what_is_malformed_is_named),
		cmocka_unit_test(a_cut_file_is_refused_or_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
