/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/json.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"

#define DEPTH 8

struct clo_trust {
	json_t *root; /* owns the texts */
	struct clo_trusted *keys;
	struct clo_key **owned; /* of the same number */
	size_t n;
};

static const struct {
	const char *name;
	enum clo_trust_role role;
} roles[] = {
	{"attest", CLO_TRUST_ATTEST},
	{"log", CLO_TRUST_LOG},
	{"policy", CLO_TRUST_POLICY},
};

/* Where in the file, for the reason. */
struct look {
	size_t at; /* in keys; SIZE_MAX: above them */
	char *reason;
};

/* What comes from the file is not repeated: it may hold anything. */
__attribute__((format(printf, 2, 3))) static int flaw(const struct look *look,
						      const char *fmt, ...)
{
	char what[120];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (look->at == SIZE_MAX)
		(void)snprintf(look->reason, 200, "$: %s", what);
	else
		(void)snprintf(look->reason, 200, "$.keys[%zu]%s%s", look->at,
			       *what == '.' ? "" : ": ", what);
	return -EBADMSG;
}

static int read_time(const struct look *look, const json_t *entry,
		     const char *member, time_t *ret_time)
{
	const json_t *value = json_object_get(entry, member);

	*ret_time = 0;
	if (!value)
		return 0;
	if (!json_is_string(value) ||
	    clo_time_parse(json_string_value(value), ret_time) < 0 ||
	    *ret_time <= 0)
		return flaw(look,
			    ".%s: expected a time like "
			    "2026-01-02T03:04:05Z",
			    member);
	return 0;
}

static int read_roles(const struct look *look, const json_t *entry,
		      unsigned int *ret_roles)
{
	const json_t *list = json_object_get(entry, "roles");
	unsigned int bits = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		unsigned int bit = 0;

		for (size_t k = 0; name && k < CLO_ARRAY_LEN(roles); k++)
			if (strcmp(name, roles[k].name) == 0)
				bit = roles[k].role;
		if (!bit || bits & bit)
			return flaw(look,
				    ".roles[%zu]: expected one of "
				    "attest, log, policy, each once",
				    i);
		bits |= bit;
	}
	if (!bits)
		return flaw(look, ".roles: expected a list of attest, log, "
				  "policy");
	*ret_roles = bits;
	return 0;
}

static int read_key(const struct look *look, const char *pem,
		    struct clo_trusted *trusted, struct clo_key **ret_key)
{
	int r = clo_key_parse_public(pem, strlen(pem), ret_key);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return flaw(look, ".pem: no public Ed25519 key in PEM");
	trusted->key = *ret_key;
	return clo_key_id(*ret_key, trusted->id);
}

/* A Name: which digest, and the digest. */
static int read_ak(const struct look *look, const char *name,
		   struct clo_trusted *trusted)
{
	uint8_t bytes[34];

	if (clo_hex_decode(name, sizeof(bytes), bytes) < 0 || bytes[0] != 0 ||
	    bytes[1] != 0x0b)
		return flaw(look, ".ak: expected 000b and 64 digits of hex");
	if (trusted->roles != CLO_TRUST_ATTEST)
		return flaw(look, ".roles: of an attestation key, attest");
	memcpy(trusted->id, name + 4, sizeof(trusted->id));
	return 0;
}

static int read_entry(const struct look *look, json_t *entry,
		      struct clo_trusted *trusted, struct clo_key **ret_key)
{
	static const unsigned int of_node = CLO_TRUST_ATTEST | CLO_TRUST_LOG;
	const json_t *any[3];
	const char *pem = NULL, *ak = NULL;
	json_t *list;
	int r;

	if (json_unpack(entry, "{s:s, s?s, s?s, s:o, s?s, s?o, s?o, s?o!}",
			"name", &trusted->name, "pem", &pem, "ak", &ak, "roles",
			&list, "node", &trusted->node, "notBefore", &any[0],
			"notAfter", &any[1], "revoked", &any[2]) < 0 ||
	    !pem == !ak)
		return flaw(look, "expected name, roles, pem or ak, and maybe "
				  "node, notBefore, notAfter, revoked");
	r = read_roles(look, entry, &trusted->roles);
	if (r == 0 && trusted->roles & of_node &&
	    (!trusted->node || !*trusted->node))
		r = flaw(look, ".node: roles attest and log need it");
	if (r == 0)
		r = read_time(look, entry, "notBefore", &trusted->not_before);
	if (r == 0)
		r = read_time(look, entry, "notAfter", &trusted->not_after);
	if (r == 0)
		r = read_time(look, entry, "revoked", &trusted->revoked);
	if (r < 0)
		return r;
	return pem ? read_key(look, pem, trusted, ret_key)
		   : read_ak(look, ak, trusted);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct clo_trusted *)a)->id,
		      ((const struct clo_trusted *)b)->id);
}

static int read_keys(struct clo_trust *trust, const json_t *list,
		     struct look *look)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > CLO_TRUST_KEYS_MAX)
		return flaw(look, "expected keys, a list of at most %u",
			    CLO_TRUST_KEYS_MAX);
	trust->keys = calloc(n + 1, sizeof(*trust->keys));
	trust->owned = calloc(n + 1, sizeof(struct clo_key *));
	if (!trust->keys || !trust->owned)
		return -ENOMEM;
	for (; trust->n < n; trust->n++) {
		int r;

		look->at = trust->n;
		r = read_entry(look, json_array_get(list, trust->n),
			       &trust->keys[trust->n], &trust->owned[trust->n]);
		if (r < 0) {
			clo_key_free(trust->owned[trust->n]);
			return r;
		}
	}
	look->at = SIZE_MAX;
	qsort(trust->keys, n, sizeof(*trust->keys), by_id);
	for (size_t i = 1; i < n; i++)
		if (by_id(&trust->keys[i - 1], &trust->keys[i]) == 0)
			return flaw(look, "key %s stands there twice",
				    trust->keys[i].id);
	return 0;
}

int clo_trust_parse(const char *text, size_t len, struct clo_trust **ret_trust,
		    char ret_reason[200])
{
	CLO_AUTO(clo_trust) struct clo_trust *trust = NULL;
	struct look look = {SIZE_MAX, ret_reason};
	const char *version, *kind;
	json_t *list;
	int r;

	if (len > CLO_TRUST_MAX)
		return flaw(&look, "more than %u bytes", CLO_TRUST_MAX);
	trust = calloc(1, sizeof(*trust));
	if (!trust)
		return -ENOMEM;
	r = clo_json_parse(text, len, DEPTH, &trust->root);
	if (r == -EBADMSG)
		return flaw(&look, "not a JSON object without duplicates");
	if (r < 0)
		return r;
	if (json_unpack(trust->root, "{s:s, s:s, s:o!}", "apiVersion", &version,
			"kind", &kind, "keys", &list) < 0 ||
	    strcmp(version, "cloison/v1") != 0 ||
	    strcmp(kind, "TrustStore") != 0)
		return flaw(&look, "expected apiVersion cloison/v1, kind "
				   "TrustStore, and keys");
	r = read_keys(trust, list, &look);
	if (r < 0)
		return r;

	*ret_trust = CLO_TAKE(trust);
	return 0;
}

void clo_trust_free(struct clo_trust *trust)
{
	if (!trust)
		return;

	for (size_t i = 0; i < trust->n; i++)
		clo_key_free(trust->owned[i]);
	free(trust->owned);
	free(trust->keys);
	json_decref(trust->root);
	free(trust);
}

static const struct clo_trusted *find(const struct clo_trust *trust,
				      const char *id)
{
	struct clo_trusted key = {0};

	if (snprintf(key.id, sizeof(key.id), "%s", id) != 64)
		return NULL;
	return bsearch(&key, trust->keys, trust->n, sizeof(key), by_id);
}

const struct clo_trusted *clo_trust_find(const struct clo_trust *trust,
					 const char *id,
					 enum clo_trust_role role)
{
	const struct clo_trusted *found = find(trust, id);

	return found && found->key && found->roles & role ? found : NULL;
}

const struct clo_trusted *clo_trust_next(const struct clo_trust *trust,
					 enum clo_trust_role role, size_t *at)
{
	while (*at < trust->n) {
		const struct clo_trusted *next = &trust->keys[(*at)++];

		if (next->key && next->roles & role)
			return next;
	}
	return NULL;
}

const struct clo_trusted *clo_trust_find_ak(const struct clo_trust *trust,
					    const char *id)
{
	const struct clo_trusted *found = find(trust, id);

	return found && !found->key ? found : NULL;
}

const char *clo_trusted_flaw(const struct clo_trusted *trusted, time_t then)
{
	if (trusted->not_before && then < trusted->not_before)
		return "from before the key is valid";
	if (trusted->not_after && then > trusted->not_after)
		return "from after the key is valid";
	if (trusted->revoked && then >= trusted->revoked)
		return "from after the key was revoked";
	return NULL;
}
