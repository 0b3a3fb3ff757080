/* SPDX-License-Identifier: Apache-2.0 */

/* A software TPM of its own for every test, and what we make of what it says. */
#include "agent/sys/tpm.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/attest/credential.h"
#include "agent/attest/quote.h"
#include "fixture_tpm.h"

#define MASK 0x43ffU

static void test_the_same_keys_each_time(void **state)
{
	static struct clo_tpm_identity again;
	struct clo_quote_key key;

	(void)state;
	assert_int_equal(clo_tpm_identity(tpm, &identity), 0);
	stop();
	start(); /* another boot of the same TPM */
	assert_int_equal(clo_tpm_identity(tpm, &again), 0);
	assert_memory_equal(&identity, &again, sizeof(again));
	assert_int_equal(identity.certificate_len, 0);
	assert_int_equal(
		clo_quote_key_parse(identity.ak, identity.ak_len, &key), 0);
	assert_null(clo_quote_key_flaw(&key));
	/* the endorsement key is another kind of key */
	assert_int_equal(
		clo_quote_key_parse(identity.ek, identity.ek_len, &key),
		-EBADMSG);
}

static const char *flaw_of(const struct clo_tpm_quote *quote,
			   const uint8_t binding[32])
{
	const struct clo_quote_parts parts = {
		quote->attest, quote->attest_len, quote->signature,
		quote->signature_len, &quote->pcrs};
	struct clo_quote_key key;

	assert_int_equal(
		clo_quote_key_parse(identity.ak, identity.ak_len, &key), 0);
	return clo_quote_flaw(&key, &parts, binding);
}

static void test_quotes_verify(void **state)
{
	uint8_t binding[32] = {1, 2, 3};
	struct clo_tpm_quote quote, changed;

	(void)state;
	assert_int_equal(clo_tpm_identity(tpm, &identity), 0);
	for (int i = 0; i < 10; i++) /* none stays in one of its few slots */
		assert_int_equal(clo_tpm_quote(tpm, binding, MASK, &quote), 0);
	assert_int_equal(quote.pcrs.mask, MASK);
	assert_null(flaw_of(&quote, binding));

	binding[31] = 1;
	assert_non_null(flaw_of(&quote, binding));
	binding[31] = 0;
	changed = quote;
	changed.pcrs.values[7][0] ^= 1;
	assert_non_null(flaw_of(&changed, binding));
	changed = quote;
	changed.pcrs.mask ^= 1;
	assert_non_null(flaw_of(&changed, binding));
	for (size_t i = 0; i < quote.attest_len; i++) {
		changed = quote;
		changed.attest[i] ^= 1;
		assert_non_null(flaw_of(&changed, binding));
	}
	for (size_t i = 0; i < quote.signature_len; i++) {
		changed = quote;
		changed.signature[i] ^= 1;
		assert_non_null(flaw_of(&changed, binding));
	}
}

static void enrol(void)
{
	const uint8_t value[32] = "what only that TPM gives back";
	struct clo_credential credential;
	struct clo_quote_key key;
	uint8_t found[64];
	size_t len = 0;

	assert_int_equal(clo_tpm_identity(tpm, &identity), 0);
	assert_int_equal(
		clo_quote_key_parse(identity.ak, identity.ak_len, &key), 0);
	assert_int_equal(clo_credential_make(identity.ek, identity.ek_len,
					     key.name, value, &credential),
			 0);
	assert_int_equal(clo_tpm_activate(tpm, credential.object,
					  credential.object_len,
					  credential.secret,
					  credential.secret_len, found, &len),
			 0);
	assert_int_equal(len, sizeof(value));
	assert_memory_equal(found, value, sizeof(value));

	/* another attestation key: the TPM does not give it back */
	key.name[0] ^= 1;
	assert_int_equal(clo_credential_make(identity.ek, identity.ek_len,
					     key.name, value, &credential),
			 0);
	assert_int_equal(clo_tpm_activate(tpm, credential.object,
					  credential.object_len,
					  credential.secret,
					  credential.secret_len, found, &len),
			 -EBADMSG);
	assert_int_equal(clo_tpm_activate(tpm, credential.object, 5,
					  credential.secret,
					  credential.secret_len, found, &len),
			 -EBADMSG);
}

static void test_enrolment(void **state)
{
	(void)state;
	enrol();
}

/* A TPM with a certificate for its RSA key only. */
static void test_enrolment_by_rsa(void **state)
{
	static const uint8_t certificate[] = "a certificate\n";

	(void)state;
	clo_tpm_free(tpm);
	run("printf 'a certificate\\n' >%s/cert && export TSS2_LOG=all+NONE "
	    "TPM2TOOLS_TCTI=%s && tpm2_nvdefine -Q 0x01c00002 -C p -s 14 -a "
	    "'ppwrite|ppread|ownerread|authread|no_da|platformcreate' && "
	    "tpm2_nvwrite -Q 0x01c00002 -C p -i %s/cert",
	    dir, where, dir);
	assert_int_equal(clo_tpm_open(where, &tpm), 0);
	enrol();
	assert_int_equal(identity.certificate_len, 14);
	assert_memory_equal(identity.certificate, certificate, 14);
	assert_int_equal(identity.ek[1], 1); /* TPM_ALG_RSA */
}

static void test_no_tpm(void **state)
{
	struct clo_tpm *other = NULL;

	(void)state;
	assert_int_equal(clo_tpm_open("device:/nonexistent/tpm", &other),
			 -ENOENT);
	assert_int_equal(clo_tpm_open("swtpm:path=/nonexistent/t", &other),
			 -ENOENT);
	assert_int_equal(clo_tpm_open("/dev/tpmrm0", &other), -EINVAL);
	/* no TPM speaks there */
	assert_int_equal(clo_tpm_open("device:/dev/null", &other), 0);
	assert_true(clo_tpm_identity(other, &identity) < 0);
	assert_int_equal(clo_tpm_identity(other, &identity), -ENODEV);
	clo_tpm_free(other);
	assert_int_equal(clo_tpm_open("device:/dev/zero", &other), 0);
	assert_int_equal(clo_tpm_identity(other, &identity), -EPROTO);
	clo_tpm_free(other);
}

/* One that takes what it is told and never answers. */
static void test_a_mute_tpm_is_given_up(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct clo_tpm *mute = NULL;
	char path[80];

	(void)state;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/mute",
		       dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 1), 0);
	(void)snprintf(path, sizeof(path), "swtpm:path=%s/mute", dir);
	assert_int_equal(clo_tpm_open(path, &mute), 0);
	clo_tpm_set_patience(mute, 1);
	assert_int_equal(clo_tpm_identity(mute, &identity), -ETIMEDOUT);
	assert_int_equal(clo_tpm_identity(mute, &identity), -ENODEV);
	clo_tpm_free(mute);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TPM_TEST(test_the_same_keys_each_time),
		TPM_TEST(test_quotes_verify),
		TPM_TEST(test_enrolment),
		TPM_TEST(test_enrolment_by_rsa),
		TPM_TEST(test_no_tpm),
		TPM_TEST(test_a_mute_tpm_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
