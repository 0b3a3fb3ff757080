/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "unit/tree.h"

/* Headers by hand, one number wrong each; then real ones against qemu-img. */

enum {
	AT_VERSION = 4,
	AT_OFFSET = 8,
	AT_SIZE = 16,
	AT_CLUSTER_BITS = 20,
	AT_CIPHER = 32,
	AT_FEATURES = 72,
	AT_HEADER = 100,
	HEADER = 104,
	BACKING = 512,
	LEN = 1024,
};

static uint8_t head[LEN];
static struct clo_image image;

static void put(size_t at, uint64_t value, size_t bytes)
{
	while (bytes-- > 0) {
		head[at + bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static void put_text(size_t at, const char *text)
{
	while (*text)
		head[at++] = (uint8_t)*text++;
}

static void put_extension(size_t at, uint32_t type, const char *text)
{
	put(at, type, 4);
	put(at + 4, strlen(text), 4);
	put_text(at + 8, text);
}

static int set_up(void **state)
{
	(void)state;
	memset(head, 0, sizeof(head));
	put_text(0, "QFI\xfb");
	put(AT_VERSION, 3, 4);
	put(AT_OFFSET, BACKING, 8);
	put(AT_SIZE, 9, 4);
	put(AT_CLUSTER_BITS, 16, 4);
	put(AT_HEADER, HEADER, 4);
	put_extension(HEADER, 0xe2792aca, "qcow2");
	put_text(BACKING, "base.disk");
	return 0;
}

static int read_head(void)
{
	return clo_image_read(head, LEN, &image);
}

static void names_are_read(void **state)
{
	(void)state;
	assert_int_equal(read_head(), 0);
	assert_int_equal(image.format, CLO_IMAGE_QCOW2);
	assert_string_equal(image.backing, "base.disk");
	assert_string_equal(image.backing_format, "qcow2");
	assert_false(image.external);
	assert_int_equal(image.cipher, CLO_IMAGE_PLAIN);
	put(AT_CIPHER, 2, 4);
	assert_int_equal(read_head(), 0);
	assert_int_equal(image.cipher, CLO_IMAGE_LUKS);
}

static void version_2_has_names_too(void **state)
{
	(void)state;
	put(AT_VERSION, 2, 4);
	memset(head + 72, 0, HEADER);
	put_extension(72, 0xe2792aca, "raw");
	assert_int_equal(read_head(), 0);
	assert_string_equal(image.backing, "base.disk");
	assert_string_equal(image.backing_format, "raw");
}

static void external_data_is_seen(void **state)
{
	(void)state;
	put_extension(HEADER + 16, 0x44415441, "data.raw");
	assert_int_equal(read_head(), 0);
	assert_true(image.external); /* also without the feature's bit */
	assert_string_equal(image.data, "data.raw");
	set_up(NULL);
	put(AT_FEATURES, 4, 8);
	assert_int_equal(read_head(), 0);
	assert_true(image.external);
	assert_string_equal(image.data, "");
}

static const struct wrong {
	const char *what;
	size_t at;
	uint64_t value;
	size_t bytes;
} wrongs[] = {
	{"version 1", AT_VERSION, 4, 4},
	{"name beyond the cluster", AT_OFFSET, UINT64_C(1) << 16, 8},
	{"name beyond all", AT_OFFSET, UINT64_MAX, 8},
	{"name before the header's end", AT_OFFSET, 8, 8},
	{"name without a size", AT_SIZE, 0, 4},
	{"name too long", AT_SIZE, 1024, 4},
	{"name far too long", AT_SIZE, UINT32_MAX, 4},
	{"name with a 0", AT_SIZE, 12, 4},
	{"clusters too small", AT_CLUSTER_BITS, 8, 4},
	{"clusters too large", AT_CLUSTER_BITS, 22, 4},
	{"clusters of 2^32 bits", AT_CLUSTER_BITS, UINT32_MAX, 4},
	{"unknown feature", AT_FEATURES, 1 << 5, 8},
	{"unknown cipher", AT_CIPHER, 3, 4},
	{"header too short", AT_HEADER, 96, 4},
	{"header too long", AT_HEADER, UINT32_MAX, 4},
	{"extension too long", HEADER + 4, UINT32_MAX, 4},
	{"extension into the name", HEADER + 4, BACKING - HEADER - 7, 4},
	{"format's name empty", HEADER + 4, 0, 4},
	{"format's name too long", HEADER + 4, 16, 4},
};

static void what_cannot_be_right_is_refused(void **state)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(wrongs); i++) {
		set_up(state);
		assert_int_equal(read_head(), 0);
		put(wrongs[i].at, wrongs[i].value, wrongs[i].bytes);
		if (read_head() != -EBADMSG)
			fail_msg("%s", wrongs[i].what);
		assert_int_equal(image.format, CLO_IMAGE_QCOW2);
	}
}

static void a_second_name_is_refused(void **state)
{
	(void)state;
	put_extension(HEADER + 16, 0xe2792aca, "raw");
	assert_int_equal(read_head(), -EBADMSG);
}

/* Cut anywhere: never more than the bytes, never an older answer. */
static void any_part_is_survived(void **state)
{
	(void)state;
	for (size_t len = 0; len < LEN; len++) {
		uint8_t *part = malloc(len + !len);
		int r;

		assert_non_null(part);
		memcpy(part, head, len);
		r = clo_image_read(part, len, &image);
		free(part);
		if (len < 4)
			assert_int_equal(image.format, CLO_IMAGE_RAW);
		else if (len < BACKING + 9)
			assert_int_equal(r, -EBADMSG);
		else
			assert_string_equal(image.backing, "base.disk");
	}
}

static void vmdk_text_is_told_from_text(void **state)
{
	static const char *const vmdk[] = {"# Disk DescriptorFile\nversion=1\n",
					   "version=3\n",
					   "# a\n\n  \n#\nversion=1"};
	static const char *const raw[] = {
		"",       "#",        "# Disk DescriptorFile", "#!/bin/sh\n",
		"versio", " version "};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(vmdk); i++) {
		assert_int_equal(clo_image_read((const uint8_t *)vmdk[i],
						strlen(vmdk[i]), &image),
				 0);
		assert_int_equal(image.format, CLO_IMAGE_OTHER);
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(raw); i++) {
		assert_int_equal(clo_image_read((const uint8_t *)raw[i],
						strlen(raw[i]), &image),
				 0);
		assert_int_equal(image.format, CLO_IMAGE_RAW);
	}
}

/* What qemu-img says of a file: its output after `key`, up to the line's end. */
static void ask(const struct tree *tree, const char *name, const char *key,
		char answer[256])
{
	char command[512];
	FILE *pipe;

	(void)snprintf(command, sizeof(command),
		       "LC_ALL=C qemu-img info '%s' | sed -n 's/^ *%s: //p' | "
		       "sed 's/ (actual path.*//' | head -n 1",
		       tree_path(tree, name), key);
	pipe = popen(command, "re"); /* NOLINT(cert-env33-c) */
	assert_non_null(pipe);
	answer[0] = '\0';
	if (!fgets(answer, 256, pipe))
		answer[0] = '\0';
	assert_int_equal(pclose(pipe), 0);
	answer[strcspn(answer, "\n")] = '\0';
}

static void create(const struct tree *tree, const char *options,
		   const char *backing)
{
	const char *argv[] = {"qemu-img", "create",
			      "-q",       "-f",
			      "qcow2",    "-o",
			      options,    tree_path(tree, "x"),
			      "1M",       backing ? "-u" : NULL,
			      "-F",       "qcow2",
			      "-b",       backing,
			      NULL};

	(void)unlink(tree_path(tree, "x"));
	tree_run(argv);
}

static void read_real(const struct tree *tree, const char *name)
{
	static uint8_t begin[CLO_IMAGE_HEAD];
	FILE *file = fopen(tree_path(tree, name), "re");
	size_t len;

	assert_non_null(file);
	len = fread(begin, 1, sizeof(begin), file);
	(void)fclose(file);
	assert_int_equal(clo_image_read(begin, len, &image), 0);
}

static void compare(const struct tree *tree, const char *options,
		    const char *backing)
{
	char answer[256];

	create(tree, options, backing);
	read_real(tree, "x");
	ask(tree, "x", "file format", answer);
	assert_string_equal(image.name, answer);
	ask(tree, "x", "backing file", answer);
	assert_string_equal(image.backing, answer);
	ask(tree, "x", "backing file format", answer);
	assert_string_equal(image.backing_format, answer);
	ask(tree, "x", "data file", answer);
	assert_string_equal(image.data, answer);
	assert_int_equal(image.external, answer[0] != '\0');
}

static void qemu_img_says_the_same(void **state)
{
	static const char *const options[] = {
		"compat=1.1",
		"compat=0.10",
		"cluster_size=512",
		"cluster_size=2M",
		"compression_type=zstd",
		"lazy_refcounts=on,extended_l2=on"};
	static const char *const backings[] = {
		NULL, "base/os.qcow2", "/run/x y", "json:{\"driver\":\"raw\"}"};
	struct tree *tree = *state;
	char data[128];

	for (size_t i = 0; i < CLO_ARRAY_LEN(options); i++)
		for (size_t j = 0; j < CLO_ARRAY_LEN(backings); j++)
			compare(tree, options[i], backings[j]);
	(void)snprintf(data, sizeof(data), "data_file=%s",
		       tree_path(tree, "d.raw"));
	compare(tree, data, NULL);
	assert_true(image.external);
}

static void qemu_img_tells_formats_the_same(void **state)
{
	static const char *const formats[] = {"raw",  "qcow2",    "qcow", "qed",
					      "vmdk", "vdi",      "vhdx", "vpc",
					      "luks", "parallels"};
	struct tree *tree = *state;
	char answer[256];

	for (size_t i = 0; i < CLO_ARRAY_LEN(formats); i++) {
		const char *argv[] = {
			"qemu-img",           "create", "-q", "-f", formats[i],
			tree_path(tree, "y"), "8M",     NULL};

		if (strcmp(formats[i], "luks") == 0)
			continue; /* leads nowhere: raw here */
		(void)unlink(tree_path(tree, "y"));
		tree_run(argv);
		read_real(tree, "y");
		ask(tree, "y", "file format", answer);
		assert_string_equal(image.name, answer);
	}
}

/* The names that were opened are those that qemu-img finds. */
static void qemu_img_walks_the_same_chain(void **state)
{
	struct tree *tree = *state;
	char command[512];
	char line[512];
	size_t n = 0;
	FILE *pipe;

	tree_make(tree, "acme/production/web/b", WEB, "qcow2",
		  "../../../base/os.qcow2");
	tree_make(tree, "acme/production/web/c", WEB, "qcow2", "./b");
	tree_make(tree, "acme/production/web/d", WEB, "qcow2",
		  tree_path(tree, "acme/production/web/c"));
	tree_look_at(tree, WEB, "acme/production/web/d", CLO_IMAGE_QCOW2, true);
	assert_int_equal(tree->findings.n, 0);
	(void)snprintf(command, sizeof(command),
		       "qemu-img info --backing-chain '%s' | "
		       "sed -n 's/^image: //p' | xargs -n 1 readlink -f",
		       tree_path(tree, "acme/production/web/d"));
	pipe = popen(command, "re"); /* NOLINT(cert-env33-c) */
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		line[strcspn(line, "\n")] = '\0';
		assert_true(n < tree->uses.n);
		assert_string_equal(tree->uses.list[n++].path, line);
	}
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(n, 4);
	assert_int_equal(tree->uses.n, 4);
}

int main(void)
{
#define REAL(test)                                                             \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(names_are_read, set_up),
		cmocka_unit_test_setup(version_2_has_names_too, set_up),
		cmocka_unit_test_setup(external_data_is_seen, set_up),
		cmocka_unit_test_setup(what_cannot_be_right_is_refused, set_up),
		cmocka_unit_test_setup(a_second_name_is_refused, set_up),
		cmocka_unit_test_setup(any_part_is_survived, set_up),
		cmocka_unit_test(vmdk_text_is_told_from_text),
	};
	const struct CMUnitTest real[] = {
		REAL(qemu_img_says_the_same),
		REAL(qemu_img_tells_formats_the_same),
		REAL(qemu_img_walks_the_same_chain),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (failed || geteuid() != 0 || access("/usr/bin/qemu-img", X_OK) < 0)
		return failed ? failed : 77;
	return cmocka_run_group_tests(real, NULL, NULL);
}
