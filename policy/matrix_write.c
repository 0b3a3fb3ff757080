/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/matrix_write.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/auto.h"

int clo_sink_init(struct clo_sink *sink, FILE *file)
{
	*sink = (struct clo_sink){.file = file, .digest = EVP_MD_CTX_new()};
	if (!sink->digest ||
	    EVP_DigestInit_ex(sink->digest, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	return 0;
}

void clo_sink_done(struct clo_sink *sink)
{
	EVP_MD_CTX_free(sink->digest);
	*sink = (struct clo_sink){0};
}

void clo_sink_put(struct clo_sink *sink, const char *text)
{
	size_t n = strlen(text);

	if (sink->error)
		return;
	if (EVP_DigestUpdate(sink->digest, text, n) != 1)
		sink->error = -ENOMEM;
	else if (sink->file && fwrite(text, 1, n, sink->file) != n)
		sink->error = -EIO;
}

void clo_sink_print(struct clo_sink *sink, const char *fmt, ...)
{
	CLO_AUTO_MEM char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		sink->error = sink->error ? sink->error : -ENOMEM;
		return;
	}
	clo_sink_put(sink, text);
}

void clo_sink_json(struct clo_sink *sink, json_t *value)
{
	CLO_AUTO_MEM char *text = NULL;

	if (value)
		text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS |
						 JSON_ENCODE_ANY);
	json_decref(value);
	if (text)
		clo_sink_put(sink, text);
	else if (!sink->error)
		sink->error = -ENOMEM;
}

int clo_sink_end(struct clo_sink *sink, uint8_t ret_digest[32])
{
	if (sink->error)
		return sink->error;
	return EVP_DigestFinal_ex(sink->digest, ret_digest, NULL) == 1
		       ? 0
		       : -ENOMEM;
}
