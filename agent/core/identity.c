/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/node_key.h"
#include "agent/attest/quote_json.h"
#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/base/log.h"
#include "agent/core/reply.h"

#define DEVICE "/dev/tpmrm0"
#define FILE_MAX 4096
#define NAMES_FILE "tpm.json"
#define NAME_TEXT 69 /* "000b", a SHA-256 in hex and a 0 */
/* Firmware, its configuration, boot loader and kernel, and shim's keys. */
#define PCRS 0x43ffU

/* Names of the keys of the TPM that is this node's: a public area's digest. */
struct names {
	char ek[NAME_TEXT], ak[NAME_TEXT];
};

static int state_path(const struct clo_options *options, const char *name,
		      char **ret_path)
{
	if (asprintf(ret_path, "%s/%s", options->state_dir, name) < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int clo_identity_init(const struct clo_options *options, char **ret_key)
{
	int r;

	if (mkdir(options->state_dir, 0700) < 0 && errno != EEXIST)
		return clo_log_errno(CLO_LOG_ERR, -errno, "state directory %s",
				     options->state_dir);
	r = state_path(options, "node.key", ret_key);
	if (r < 0)
		return r;
	if (access(*ret_key, F_OK) == 0)
		return 0; /* also where there is no room for one more */
	r = clo_key_generate(*ret_key);
	if (r < 0 && r != -EEXIST)
		return clo_log_errno(CLO_LOG_ERR, r, "signing key %s",
				     *ret_key);
	return 0;
}

int clo_identity_boot(char ret_id[37])
{
	CLO_AUTO_FD int fd = -1;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, ret_id, 36) != 36)
		return -EIO;
	ret_id[36] = '\0';
	return 0;
}

/* -ENOENT: no TPM is this node's. What is not whole is no permission. */
static int load_names(const struct clo_node *node, struct names *ret_names)
{
	json_auto_t *root = NULL;
	CLO_AUTO_MEM char *path = NULL;
	CLO_AUTO_MEM char *text = NULL;
	const char *ek, *ak;
	size_t len;
	int r;

	r = state_path(node->options, NAMES_FILE, &path);
	if (r == 0)
		r = clo_file_read(path, FILE_MAX, &text, &len);
	if (r == 0)
		r = clo_json_parse(text, len, 2, &root);
	if (r < 0)
		return r;
	if (json_unpack(root, "{s:s, s:s!}", "ek", &ek, "ak", &ak) < 0 ||
	    strlen(ek) >= NAME_TEXT || strlen(ak) >= NAME_TEXT)
		return -EBADMSG;
	(void)snprintf(ret_names->ek, NAME_TEXT, "%s", ek);
	(void)snprintf(ret_names->ak, NAME_TEXT, "%s", ak);
	return 0;
}

/* Whole or as it was, also after a crash. */
static int save_names(const struct clo_node *node, const struct names *names)
{
	json_auto_t *root =
		json_pack("{s:s, s:s}", "ek", names->ek, "ak", names->ak);
	CLO_AUTO_MEM char *text =
		root ? json_dumps(root, JSON_INDENT(1)) : NULL;

	return text ? clo_file_replace(node->options->state_dir, NAMES_FILE,
				       text)
		    : -ENOMEM;
}

static int name_of(const uint8_t *area, size_t len, char ret_name[NAME_TEXT])
{
	/* SHA-256, as the templates of both keys say */
	(void)snprintf(ret_name, NAME_TEXT, "000b");
	return clo_sha256_hex(area, len, ret_name + 4);
}

/* One line for the operator, who alone may decide. */
static int refuse(const char *what, const char *why)
{
	clo_log(CLO_LOG_ERR,
		"refused to start: %s%s%s; --reenrol takes the "
		"TPM that is there, --tpm none signs with the file key",
		what, why[0] ? ": " : "", why);
	return -EKEYREJECTED;
}

static int read_tpm(struct clo_node *node, const char *where,
		    struct names *ret_names)
{
	const struct clo_tpm_identity *identity;
	int r;

	node->identity = calloc(1, sizeof(*node->identity));
	if (!node->identity)
		return -ENOMEM;
	identity = node->identity;
	r = clo_tpm_open(where, &node->tpm);
	if (r == 0)
		r = clo_tpm_identity(node->tpm, node->identity);
	if (r == 0)
		r = name_of(identity->ek, identity->ek_len, ret_names->ek);
	if (r == 0)
		r = name_of(identity->ak, identity->ak_len, ret_names->ak);
	return r;
}

static int enrol(struct clo_node *node, const struct names *names)
{
	int r = save_names(node, names);

	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "tpm.json");
	clo_log(CLO_LOG_WARN, "this TPM is now the node's ek=%s ak=%s",
		names->ek, names->ak);
	return 0;
}

static int open_tpm(struct clo_node *node, const char *where, bool enrolled,
		    const struct names *known)
{
	struct names names = {0};
	int r = read_tpm(node, where, &names);

	if (r == -ENOMEM)
		return clo_log_errno(CLO_LOG_ERR, r, "TPM");
	if (r == -ENOENT || r == -ENXIO)
		return refuse("there is no TPM at", where);
	if (r < 0)
		return refuse("the TPM fails", strerrordesc_np(-r));
	if (!enrolled)
		r = enrol(node, &names);
	else if (strcmp(names.ek, known->ek) != 0)
		return refuse("another TPM: its endorsement key is", names.ek);
	else if (strcmp(names.ak, known->ak) != 0)
		return refuse("the TPM has another attestation key", names.ak);
	if (r < 0)
		return r;
	r = clo_key_new_locked(&node->boot_key);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "key in locked memory")
		     : 0;
}

int clo_identity_reenrol(const struct clo_options *options)
{
	const char *where = options->tpm ? options->tpm : "device:" DEVICE;
	struct clo_node node = {.options = options};
	struct names names = {0};
	int r = read_tpm(&node, where, &names);

	r = r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "TPM %s", where)
		  : enrol(&node, &names);
	clo_identity_close(&node);
	return r;
}

int clo_identity_open(struct clo_node *node)
{
	const char *where = node->options->tpm;
	struct names known = {0};
	bool enrolled;
	int r = load_names(node, &known);

	if (r < 0 && r != -ENOENT)
		return refuse("tpm.json", strerrordesc_np(-r));
	enrolled = r == 0;
	if (where && strcmp(where, "none") == 0) {
		if (enrolled)
			clo_log(CLO_LOG_WARN, "the node's TPM is not used: "
					      "statements are signed with the "
					      "file key");
		return 0;
	}
	if (!where && access(DEVICE, F_OK) < 0)
		return enrolled ? refuse("the node's TPM is gone", "") : 0;
	return open_tpm(node, where ? where : "device:" DEVICE, enrolled,
			&known);
}

void clo_identity_close(struct clo_node *node)
{
	clo_key_free(node->boot_key);
	clo_tpm_free(node->tpm);
	free(node->identity);
}

static int quote(struct clo_node *node, uint64_t epoch, const char *nonce,
		 struct clo_tpm_quote *ret_quote)
{
	uint8_t der[CLO_KEY_DER_SIZE];
	uint8_t binding[32];
	int r;

	r = clo_key_public_der(node->boot_key, der);
	if (r == 0)
		r = clo_quote_binding(der, sizeof(der), node->boot_id, epoch,
				      nonce, binding);
	return r < 0 ? r : clo_tpm_quote(node->tpm, binding, PCRS, ret_quote);
}

static struct clo_quote_parts parts_of(const struct clo_tpm_quote *quote)
{
	return (struct clo_quote_parts){
		.attest = quote->attest,
		.attest_len = quote->attest_len,
		.signature = quote->signature,
		.signature_len = quote->signature_len,
		.pcrs = &quote->pcrs,
	};
}

static int make_text(struct clo_node *node, const struct clo_chain_place *chain,
		     time_t now, char **ret_text)
{
	const struct clo_tpm_identity *identity = node->identity;
	struct clo_tpm_quote own;
	struct clo_quote_parts quoted;
	struct utsname kernel = {0};
	int r = quote(node, 0, "", &own);

	if (r < 0)
		return r;
	(void)uname(&kernel);
	quoted = parts_of(&own);
	return clo_node_key_make(
		&(const struct clo_node_key_parts){
			.node = node->force ? node->force->policy->node.name
					    : kernel.nodename,
			.boot_id = node->boot_id,
			.time = now,
			.chain = chain,
			.key = node->boot_key,
			.log_key = node->key,
			.ak = identity->ak,
			.ak_len = identity->ak_len,
			.ek = identity->ek,
			.ek_len = identity->ek_len,
			.certificate = identity->certificate,
			.certificate_len = identity->certificate_len,
			.quote = &quoted,
		},
		ret_text);
}

static int append(struct clo_node *node)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	struct clo_chain_place chain;
	uint8_t digest[32];
	time_t now = time(NULL);
	int r;

	r = clo_store_chain(node->store, node->boot_id, &chain);
	if (r == 0)
		r = make_text(node, &chain, now, &text);
	if (r == 0)
		r = clo_dsse_sign(node->boot_key, text, strlen(text),
				  &envelope);
	if (r == 0)
		r = clo_sha256(text, strlen(text), digest);
	if (r < 0)
		return r;
	return clo_store_append(
		node->store, &(const struct clo_record){
				     .boot_id = node->boot_id,
				     .sequence = chain.sequence,
				     .kind = clo_kinds[CLO_KIND_NODE_KEY].name,
				     .scope = CLO_NODE_KEY_SCOPE,
				     .time = now,
				     .verdict = "",
				     .payload_digest = digest,
				     .envelope = envelope,
				     .signer = node->boot_key,
			     });
}

int clo_identity_record(struct clo_node *node)
{
	int r = node->boot_key ? append(node) : 0;

	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "node-key record");
	return 0;
}

json_t *clo_identity_quote(struct clo_node *node, uint64_t epoch,
			   const char *nonce)
{
	struct clo_quote_parts parts;
	struct clo_tpm_quote own;
	int r;

	if (!node->boot_key || (!nonce && epoch == node->quoted_epoch))
		return NULL;
	r = quote(node, epoch, nonce ? nonce : "", &own);
	if (r < 0) {
		(void)clo_log_errno(CLO_LOG_WARN, r, "quote epoch=%llu",
				    (unsigned long long)epoch);
		return NULL;
	}
	node->quoted_epoch = epoch;
	parts = parts_of(&own);
	return clo_quote_to_json(&parts);
}

json_t *clo_identity_activate(struct clo_node *node, const json_t *request)
{
	uint8_t credential[256], secret[512], value[64];
	size_t credential_len, secret_len, len;
	int r;

	if (!node->tpm)
		return clo_reply_refuse(CLO_EXIT_REFUSED,
					"this node signs without a TPM");
	if (clo_hex_from_json(json_object_get(request, "credential"),
			      credential, sizeof(credential),
			      &credential_len) < 0 ||
	    clo_hex_from_json(json_object_get(request, "secret"), secret,
			      sizeof(secret), &secret_len) < 0)
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"credential or secret is not hex");
	r = clo_tpm_activate(node->tpm, credential, credential_len, secret,
			     secret_len, value, &len);
	if (r == -EBADMSG)
		return clo_reply_refuse(CLO_EXIT_REFUSED,
					"the challenge is not for this TPM and "
					"this attestation key");
	if (r < 0)
		return clo_reply_failure("the TPM fails", r);
	return clo_reply_accept(
		json_pack("{s:o}", "value", clo_hex_to_json(value, len)));
}
