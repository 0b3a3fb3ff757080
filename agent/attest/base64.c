/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"

int clo_base64_encode(const void *data, size_t len, char **ret_text)
{
	char *text;

	if ((len + 2) / 3 > CLO_BASE64_MAX / 4)
		return -EMSGSIZE;
	text = malloc((len + 2) / 3 * 4 + 1);
	if (!text)
		return -ENOMEM;

	(void)EVP_EncodeBlock((unsigned char *)text, data, (int)len);
	*ret_text = text;
	return 0;
}

int clo_base64_decode(const char *text, size_t text_len, char **ret_data,
		      size_t *ret_len)
{
	CLO_AUTO_MEM char *again = NULL;
	CLO_AUTO_MEM char *data = NULL;
	size_t len = text_len / 4 * 3;
	int r;

	if (text_len % 4 != 0 || text_len > CLO_BASE64_MAX)
		return -EBADMSG;
	data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	if (EVP_DecodeBlock((unsigned char *)data, (const unsigned char *)text,
			    (int)text_len) != (int)len)
		return -EBADMSG;

	/* OpenSSL counts padding as bytes and forgives much: encode again. */
	if (len > 0)
		len -= (text[text_len - 1] == '=') +
		       (size_t)(text[text_len - 2] == '=');
	r = clo_base64_encode(data, len, &again);
	if (r < 0)
		return r;
	if (strlen(again) != text_len || memcmp(again, text, text_len) != 0)
		return -EBADMSG;

	data[len] = '\0';
	*ret_data = CLO_TAKE(data);
	*ret_len = len;
	return 0;
}

int clo_base64_decode_exact(const char *text, size_t text_len, size_t size,
			    void *ret_data)
{
	CLO_AUTO_MEM char *data = NULL;
	size_t len;
	int r;

	r = clo_base64_decode(text, text_len, &data, &len);
	if (r < 0)
		return r;
	if (len != size)
		return -EBADMSG;

	memcpy(ret_data, data, size);
	return 0;
}
