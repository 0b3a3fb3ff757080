/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/hex.h"
#include "check.h"

/* RFC 8032 7.1, TEST 2: its secret key as PKCS#8, the message 0x72. */
static const char rfc_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
	"-----END PRIVATE KEY-----\n";
static const char rfc_signature[] =
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

static char dir[32];
static char path[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/clo-key-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/key.pem", dir);
	return 0;
}

/* Fails, after removing it, if a draft of a key was left behind. */
static int tear_down(void **state)
{
	const struct dirent *entry;
	DIR *files;
	int drafts = 0;

	(void)state;
	(void)unlink(path);
	files = opendir(dir);
	if (!files)
		return -1;
	while ((entry = readdir(files))) {
		if (entry->d_name[0] != '.')
			drafts += !unlinkat(dirfd(files), entry->d_name, 0);
	}
	(void)closedir(files);
	return rmdir(dir) < 0 || drafts > 0 ? -1 : 0;
}

static void write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_load_fails(int expected)
{
	struct clo_key *key = NULL;

	assert_int_equal(clo_key_load(path, &key), expected);
	assert_null(key);
}

static void test_generates_a_private_file(void **state)
{
	struct clo_key *key = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(clo_key_generate(path), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(clo_key_load(path, &key), 0);
	clo_key_free(key);
}

static void test_never_over_an_existing_file(void **state)
{
	char text[16] = "";
	int fd;

	(void)state;
	write_file("precious", 0600);
	assert_int_equal(clo_key_generate(path), -EEXIST);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 8);
	close(fd);
	assert_string_equal(text, "precious");

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(clo_key_generate(path), -EEXIST);
	assert_load_fails(-ELOOP);
}

static void test_generate_needs_the_directory(void **state)
{
	char missing[80];

	(void)state;
	(void)snprintf(missing, sizeof(missing), "%s/no/key", dir);
	assert_int_equal(clo_key_generate(missing), -ENOENT);
}

static void test_refuses_files_that_others_reach(void **state)
{
	static const mode_t modes[] = {0640, 0620, 0604, 0602, 0610, 0601};

	(void)state;
	write_file(rfc_pem, 0600);
	for (size_t i = 0; i < CLO_ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_load_fails(-EACCES);
	}
}

static void test_refuses_another_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(rfc_pem, 0600);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_load_fails(-EACCES);
}

static void test_refuses_what_is_no_file(void **state)
{
	(void)state;
	assert_load_fails(-ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_load_fails(-EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_load_fails(-EINVAL);
	assert_int_equal(rmdir(path), 0);
}

static void test_refuses_other_content(void **state)
{
	char *big = NULL;

	(void)state;
	write_file("", 0600);
	assert_load_fails(-EINVAL);
	assert_int_equal(unlink(path), 0);

	write_file("-----BEGIN PRIVATE KEY-----\nMC4C\n", 0600);
	assert_load_fails(-EINVAL);
	assert_int_equal(unlink(path), 0);

	assert_true(asprintf(&big, "%5000s%s", "", rfc_pem) > 0);
	write_file(big, 0600);
	assert_load_fails(-EINVAL);
	free(big);
}

/* PEM of a key of another type, and of an encrypted Ed25519 key. */
static void write_pem(const char *type, const char *password)
{
	EVP_PKEY *pkey = strcmp(type, "EC") == 0
				 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
				 : EVP_PKEY_Q_keygen(NULL, NULL, type);
	FILE *file;

	write_file("", 0600);
	file = fopen(path, "we");
	assert_non_null(pkey);
	assert_non_null(file);
	assert_int_equal(PEM_write_PKCS8PrivateKey(
				 file, pkey,
				 password ? EVP_aes_256_cbc() : NULL, password,
				 password ? (int)strlen(password) : 0, NULL,
				 NULL),
			 1);
	assert_int_equal(fclose(file), 0);
	EVP_PKEY_free(pkey);
}

static void test_refuses_other_keys(void **state)
{
	static const char *const types[] = {"EC", "X25519", "ED448"};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(types); i++) {
		write_pem(types[i], NULL);
		assert_load_fails(-EINVAL);
		assert_int_equal(unlink(path), 0);
	}

	write_pem("ED25519", "secret"); /* and must not ask for it */
	assert_load_fails(-EINVAL);
}

static void test_signs_as_the_rfc(void **state)
{
	struct clo_key *key = NULL;
	uint8_t signature[64];
	char text[129];

	(void)state;
	write_file(rfc_pem, 0600);
	assert_int_equal(clo_key_load(path, &key), 0);
	assert_int_equal(clo_key_sign(key, "\x72", 1, signature), 0);
	clo_hex_encode(signature, sizeof(signature), text);
	assert_string_equal(text, rfc_signature);
	clo_key_free(key);
}

static void test_public_half_verifies_and_cannot_sign(void **state)
{
	struct clo_key *key = NULL;
	struct clo_key *public = NULL;
	uint8_t signature[65] = {0};
	char id[65];
	char public_id[65];
	char *pem = NULL;

	(void)state;
	assert_int_equal(clo_key_generate(path), 0);
	assert_int_equal(clo_key_load(path, &key), 0);
	assert_int_equal(clo_key_public_pem(key, &pem), 0);
	assert_int_equal(clo_key_parse_public(pem, strlen(pem), &public), 0);
	assert_int_equal(clo_key_id(key, id), 0);
	assert_int_equal(clo_key_id(public, public_id), 0);
	assert_string_equal(id, public_id);
	assert_int_equal(clo_key_sign(public, "a", 1, signature), -EINVAL);

	assert_int_equal(clo_key_sign(key, "abc", 3, signature), 0);
	assert_int_equal(clo_key_verify(public, "abc", 3, signature, 64), 0);
	assert_int_equal(clo_key_verify(public, "abd", 3, signature, 64),
			 -EBADMSG);
	assert_int_equal(clo_key_verify(public, "abc", 2, signature, 64),
			 -EBADMSG);
	assert_int_equal(clo_key_verify(public, "abc", 3, signature, 63),
			 -EBADMSG);
	assert_int_equal(clo_key_verify(public, "abc", 3, signature, 65),
			 -EBADMSG);
	assert_int_equal(clo_key_verify(public, "abc", 3, signature, 0),
			 -EBADMSG);
	signature[40] ^= 1;
	assert_int_equal(clo_key_verify(public, "abc", 3, signature, 64),
			 -EBADMSG);
	free(pem);
	clo_key_free(public);
	clo_key_free(key);
}

static void test_public_parser_refuses(void **state)
{
	static const char junk[] = "-----BEGIN PUBLIC KEY-----\n"
				   "MCowBQYDK2VwAyEA\n"
				   "-----END PUBLIC KEY-----\n";
	struct clo_key *key = NULL;
	static char big[8192];

	(void)state;
	memset(big, '\n', sizeof(big));
	assert_int_equal(clo_key_parse_public("", 0, &key), -EINVAL);
	assert_int_equal(clo_key_parse_public(junk, strlen(junk), &key),
			 -EINVAL);
	assert_int_equal(clo_key_parse_public(big, sizeof(big), &key), -EINVAL);
	/* A private key in its place is a mistake to tell, not to use. */
	assert_int_equal(clo_key_parse_public(rfc_pem, strlen(rfc_pem), &key),
			 -EINVAL);
	assert_null(key);
}

/* Does a mapping of this process have both flags of smaps(5)? */
static bool has_mapping(const char *flag, const char *other)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[256];
	bool found = false;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		found |= strncmp(line, "VmFlags:", 8) == 0 &&
			 strstr(line, flag) && strstr(line, other);
	(void)fclose(file);
	return found;
}

static void test_locked_key_is_in_memory_alone(void **state)
{
	struct clo_key *key = NULL;
	struct clo_key *other = NULL;
	uint8_t signature[64];
	uint8_t der[CLO_KEY_DER_SIZE];
	char id[65], other_id[65];

	(void)state;
	assert_int_equal(clo_key_new_locked(&key), 0);
	assert_int_equal(clo_key_new_locked(&other), 0);
	assert_true(CRYPTO_secure_used() > 0);
	assert_true(has_mapping(" lo ", " dd ")); /* locked, not dumped */

	assert_int_equal(clo_key_id(key, id), 0);
	assert_int_equal(clo_key_id(other, other_id), 0);
	assert_string_not_equal(id, other_id);
	assert_int_equal(clo_key_public_der(key, der), 0);
	assert_int_equal(clo_key_sign(key, "abc", 3, signature), 0);
	assert_int_equal(clo_key_verify(key, "abc", 3, signature, 64), 0);
	assert_int_equal(clo_key_verify(other, "abc", 3, signature, 64),
			 -EBADMSG);
	clo_key_free(key);
	clo_key_free(other);
	assert_int_equal(CRYPTO_secure_used(), 0);
}

/* A directory of its own for every test. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_generates_a_private_file),
		TEST(test_never_over_an_existing_file),
		TEST(test_generate_needs_the_directory),
		TEST(test_refuses_files_that_others_reach),
		TEST(test_refuses_another_owner),
		TEST(test_refuses_what_is_no_file),
		TEST(test_refuses_other_content),
		TEST(test_refuses_other_keys),
		TEST(test_signs_as_the_rfc),
		TEST(test_public_half_verifies_and_cannot_sign),
		TEST(test_public_parser_refuses),
		TEST(test_locked_key_is_in_memory_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
