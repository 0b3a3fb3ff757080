/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/hex.h"

#include <errno.h>
#include <string.h>

#include "check.h"

static void test_round_trip(void **state)
{
	uint8_t bytes[256];
	uint8_t again[256];
	char text[513];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	clo_hex_encode(bytes, sizeof(bytes), text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
	assert_int_equal(clo_hex_decode(text, sizeof(again), again), 0);
	assert_memory_equal(bytes, again, sizeof(bytes));
	clo_hex_encode(bytes, 0, text);
	assert_string_equal(text, "");
}

static void test_only_one_spelling(void **state)
{
	static const char *const bad[] = {"",      "0",    "0a0",
					  "0a0b0", "0A0b", " 0a0",
					  "0a0b ", "0x0a", "0g0b"};
	uint8_t bytes[2] = {7, 7};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(clo_hex_decode(bad[i], 2, bytes), -EINVAL);
	assert_int_equal(bytes[0], 7); /* untouched on failure */
	assert_int_equal(clo_hex_decode("0a0b", 2, bytes), 0);
	assert_int_equal(bytes[1], 0x0b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_only_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
