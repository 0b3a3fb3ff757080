/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/key.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/sha256.h"

#define PEM_MAX 2048 /* an Ed25519 key takes some 120 bytes */
#define SIGNATURE_SIZE 64
#define LOCKED_BYTES 16384 /* of all private keys; a power of two */

struct clo_key {
	EVP_PKEY *pkey;
	bool is_private;
};

static void bio_freep(BIO **bio)
{
	(void)BIO_free(*bio);
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* An encrypted PEM is refused instead of asking on the terminal. */
static int no_password(char *buffer, int size, int writing, void *userdata)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)userdata;
	return -1;
}

/* libcrypto keeps a queue of errors per thread; nobody reads it here. */
static int refuse(int r)
{
	ERR_clear_error();
	return r;
}

/* Takes pkey. */
static int key_new(EVP_PKEY *pkey, bool is_private, struct clo_key **ret_key)
{
	CLO_AUTO(clo_key) struct clo_key *key = calloc(1, sizeof(*key));

	if (!key) {
		EVP_PKEY_free(pkey);
		return -ENOMEM;
	}

	key->pkey = pkey;
	key->is_private = is_private;
	if (!EVP_PKEY_is_a(pkey, "ED25519"))
		return -EINVAL;

	*ret_key = CLO_TAKE(key);
	return 0;
}

void clo_key_free(struct clo_key *key)
{
	if (!key)
		return;

	EVP_PKEY_free(key->pkey);
	free(key);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_directory_of(const char *path)
{
	CLO_AUTO_MEM char *dir = strdup(path);
	CLO_AUTO_FD int fd = -1;
	char *slash;

	if (!dir)
		return -ENOMEM;

	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0'; /* keeps the "/" of "/key" */
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/*
 * The key appears under its name only when it is whole and on disk: link()
 * neither replaces a file nor follows a link, and a crash leaves no half key.
 */
static int publish(const char *path, const char *pem, size_t len)
{
	CLO_AUTO_MEM char *draft = NULL;
	CLO_AUTO_FD int fd = -1;
	int r;

	if (asprintf(&draft, "%s.XXXXXX", path) < 0) {
		draft = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	fd = mkostemp(draft, O_CLOEXEC); /* O_EXCL, 0600 */
	if (fd < 0)
		return -errno;

	r = write_all(fd, pem, len);
	if (r == 0 && link(draft, path) < 0)
		r = -errno;
	(void)unlink(draft);
	return r < 0 ? r : sync_directory_of(path);
}

int clo_key_generate(const char *path)
{
	__attribute__((cleanup(bio_freep))) BIO *bio = NULL;
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	EVP_PKEY *pkey;
	char *pem;
	long len;
	int r;

	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!pkey)
		return refuse(-EIO);
	r = key_new(pkey, true, &key);
	if (r < 0)
		return r;

	bio = BIO_new(BIO_s_secmem()); /* cleansed when freed */
	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0,
						  NULL, NULL) != 1)
		return refuse(-EIO);
	len = BIO_get_mem_data(bio, &pem);
	return publish(path, pem, (size_t)len);
}

/*
 * libcrypto puts the private halves of Ed25519 keys into its secure heap as
 * soon as there is one: mlock()ed, MADV_DONTDUMP, between guard pages.
 */
static int lock_memory(void)
{
	if (CRYPTO_secure_malloc_initialized())
		return 0;
	/* 2: there is a heap, but not all of that holds for it */
	return CRYPTO_secure_malloc_init(LOCKED_BYTES, 32) == 1
		       ? 0
		       : refuse(-EPERM);
}

int clo_key_new_locked(struct clo_key **ret_key)
{
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	EVP_PKEY *pkey;
	size_t before;
	int r;

	r = lock_memory();
	if (r < 0)
		return r;
	before = CRYPTO_secure_used();
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!pkey)
		return refuse(-EIO);
	r = key_new(pkey, true, &key);
	if (r < 0)
		return r;
	if (CRYPTO_secure_used() <= before)
		return -EPERM; /* a libcrypto that puts it elsewhere */

	*ret_key = CLO_TAKE(key);
	return 0;
}

static int open_private(const char *path, int *ret_fd)
{
	CLO_AUTO_FD int fd = -1;
	struct stat st;

	/* O_NONBLOCK: a FIFO in its place must not make us wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) || st.st_uid != geteuid())
		return -EACCES;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

static int parse_private(const char *pem, size_t len, struct clo_key **ret_key)
{
	__attribute__((cleanup(bio_freep))) BIO *bio = NULL;
	EVP_PKEY *pkey;

	bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio)
		return refuse(-ENOMEM);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (!pkey)
		return refuse(-EINVAL);
	return key_new(pkey, true, ret_key);
}

int clo_key_load(const char *path, struct clo_key **ret_key)
{
	CLO_AUTO_FD int fd = -1;
	char pem[PEM_MAX];
	ssize_t len;
	int r;

	r = open_private(path, &fd);
	if (r < 0)
		return r;

	len = read(fd, pem, sizeof(pem));
	if (len < 0)
		return -errno;
	r = (size_t)len < sizeof(pem) ? parse_private(pem, (size_t)len, ret_key)
				      : -EINVAL;
	explicit_bzero(pem, sizeof(pem));
	return r;
}

int clo_key_parse_public(const char *pem, size_t len, struct clo_key **ret_key)
{
	__attribute__((cleanup(bio_freep))) BIO *bio = NULL;
	EVP_PKEY *pkey;

	if (len > PEM_MAX)
		return -EINVAL;

	bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio)
		return refuse(-ENOMEM);
	pkey = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
	if (!pkey)
		return refuse(-EINVAL);
	return key_new(pkey, false, ret_key);
}

int clo_key_public_pem(const struct clo_key *key, char **ret_pem)
{
	__attribute__((cleanup(bio_freep))) BIO *bio = NULL;
	char *data;
	char *pem;
	long len;

	bio = BIO_new(BIO_s_mem());
	if (!bio || PEM_write_bio_PUBKEY(bio, key->pkey) != 1)
		return refuse(-EIO);
	len = BIO_get_mem_data(bio, &data);
	pem = strndup(data, (size_t)len);
	if (!pem)
		return -ENOMEM;

	*ret_pem = pem;
	return 0;
}

int clo_key_raw(const struct clo_key *key, uint8_t ret_raw[32])
{
	uint8_t raw[32];
	size_t len = sizeof(raw);

	if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &len) != 1)
		return refuse(-EIO);

	assert(len == sizeof(raw));
	memcpy(ret_raw, raw, sizeof(raw));
	return 0;
}

int clo_key_public_der(const struct clo_key *key,
		       uint8_t ret_der[CLO_KEY_DER_SIZE])
{
	unsigned char *der = ret_der;

	if (i2d_PUBKEY(key->pkey, NULL) != CLO_KEY_DER_SIZE ||
	    i2d_PUBKEY(key->pkey, &der) != CLO_KEY_DER_SIZE)
		return refuse(-EIO);
	return 0;
}

bool clo_key_equal(const struct clo_key *a, const struct clo_key *b)
{
	return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

int clo_key_id(const struct clo_key *key, char ret_id[65])
{
	unsigned char *der = NULL;
	int len;
	int r;

	len = i2d_PUBKEY(key->pkey, &der);
	if (len < 0)
		return refuse(-EIO);

	r = clo_sha256_hex(der, (size_t)len, ret_id);
	OPENSSL_free(der);
	return r;
}

int clo_key_sign(const struct clo_key *key, const void *data, size_t len,
		 uint8_t ret_signature[64])
{
	__attribute__((cleanup(md_ctx_freep))) EVP_MD_CTX *ctx = NULL;
	uint8_t signature[SIGNATURE_SIZE];
	size_t n = sizeof(signature);

	if (!key->is_private)
		return -EINVAL;

	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return refuse(-ENOMEM);
	if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
	    EVP_DigestSign(ctx, signature, &n, data, len) != 1)
		return refuse(-EIO);

	assert(n == sizeof(signature));
	memcpy(ret_signature, signature, sizeof(signature));
	return 0;
}

int clo_key_verify(const struct clo_key *key, const void *data, size_t len,
		   const uint8_t *signature, size_t signature_len)
{
	__attribute__((cleanup(md_ctx_freep))) EVP_MD_CTX *ctx = NULL;

	if (signature_len != SIGNATURE_SIZE)
		return -EBADMSG;

	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return refuse(-ENOMEM);
	if (EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) != 1)
		return refuse(-EIO);
	if (EVP_DigestVerify(ctx, signature, signature_len, data, len) != 1)
		return refuse(-EBADMSG);
	return 0;
}
