/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/https.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/base/auto.h"
#include "agent/sys/tls_client.h"

#define HEAD_MAX 16384 /* bytes of an answer before its body */
#define URL_MAX 2048
#define NAP 50 /* milliseconds between looks at a socket */

struct get {
	const struct clo_https *options;
	char *host, *port, *path;
	SSL_CTX *context;
	BIO *bio;
	time_t deadline;
	char *text; /* what came, 0-terminated */
	size_t len, room;
	char *error; /* 160 */
};

static void get_done(struct get *get)
{
	BIO_free_all(get->bio);
	SSL_CTX_free(get->context);
	OPENSSL_free(get->host);
	OPENSSL_free(get->port);
	OPENSSL_free(get->path);
	free(get->text);
	ERR_clear_error();
}

__attribute__((format(printf, 3, 4))) static int fail(struct get *get, int r,
						      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(get->error, 160, fmt, args);
	va_end(args);
	for (char *c = get->error; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return r;
}

static int read_url(struct get *get, const char *url)
{
	int tls = 0;
	char *user = NULL, *path = NULL, *query = NULL;
	int ok;

	for (const char *c = url; *c; c++) {
		if (*c <= ' ' || *c > '~' || *c == '#' || c - url > URL_MAX)
			return fail(get, -EINVAL, "it is no URL");
	}
	ok = OSSL_HTTP_parse_url(url, &tls, &user, &get->host, &get->port, NULL,
				 &path, &query, NULL);
	if (ok && query && query[0]) {
		size_t n = strlen(path) + strlen(query) + 2;

		get->path = OPENSSL_malloc(n);
		if (get->path)
			(void)snprintf(get->path, n, "%s?%s", path, query);
	} else if (ok) {
		get->path = OPENSSL_strdup(path);
	}
	ok = ok && tls && !(user && user[0]);
	OPENSSL_free(user);
	OPENSSL_free(path);
	OPENSSL_free(query);
	if (!ok)
		return fail(get, -EINVAL, "it is no https:// URL");
	return get->path ? 0 : -ENOMEM;
}

/* The name or address of the URL is the one that is certified. */
static int expect_host(struct get *get, SSL *ssl)
{
	bool bracketed = get->host[0] == '[';
	size_t len = strlen(get->host) - (bracketed ? 2 : 0);
	char host[256];

	if (len >= sizeof(host))
		return fail(get, -EINVAL, "its host is no name");
	(void)snprintf(host, sizeof(host), "%.*s", (int)len,
		       get->host + bracketed);
	return clo_tls_client_expect(ssl, host) < 0
		       ? fail(get, -EINVAL, "its host is no name")
		       : 0;
}

static int left(const struct get *get)
{
	time_t now = time(NULL);

	return get->deadline > now ? (int)(get->deadline - now) : 0;
}

/* Until the socket can go on. */
static int wait_for(struct get *get)
{
	if (!BIO_should_retry(get->bio))
		return fail(get, -EPROTO, "the connection broke off");
	if (BIO_wait(get->bio, get->deadline, NAP) != 1 || left(get) == 0)
		return fail(get, -ETIMEDOUT, "no answer in time");
	return 0;
}

static int connect_to(struct get *get)
{
	SSL *ssl = NULL;
	int r;

	get->bio = BIO_new_ssl_connect(get->context);
	if (!get->bio || BIO_get_ssl(get->bio, &ssl) != 1 ||
	    BIO_set_conn_hostname(get->bio, get->host) != 1 ||
	    BIO_set_conn_port(get->bio, get->port) != 1)
		return -ENOMEM;
	r = expect_host(get, ssl);
	if (r < 0)
		return r;
	(void)BIO_set_nbio(get->bio, 1);
	while (BIO_do_connect(get->bio) != 1) {
		r = wait_for(get);
		if (r < 0)
			break;
	}
	if (r == 0 || r == -ETIMEDOUT)
		return r;
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return fail(get, -EACCES, "the certificate of %s: %s",
			    get->host,
			    X509_verify_cert_error_string(
				    SSL_get_verify_result(ssl)));
	return fail(get, -ECONNREFUSED, "no TLS connection with %s:%s",
		    get->host, get->port);
}

static int ask(struct get *get)
{
	CLO_AUTO_MEM char *request = NULL;
	int n, done, r;

	n = asprintf(&request,
		     "GET %s HTTP/1.0\r\nHost: %s:%s\r\n"
		     "User-Agent: cloison\r\nAccept: */*\r\n\r\n",
		     get->path, get->host, get->port);
	if (n < 0) {
		request = NULL;
		return -ENOMEM;
	}
	for (int at = 0; at < n; at += done) {
		done = BIO_write(get->bio, request + at, n - at);
		if (done > 0)
			continue;
		r = wait_for(get);
		if (r < 0)
			return r;
		done = 0;
	}
	return 0;
}

static int make_room(struct get *get)
{
	size_t max = get->options->max + HEAD_MAX;
	size_t room = get->room ? 2 * get->room : HEAD_MAX;
	char *grown;

	if (get->len + 1 < get->room)
		return 0;
	if (get->len >= max)
		return fail(get, -EMSGSIZE,
			    "the answer is longer than %zu "
			    "bytes",
			    get->options->max);
	if (room > max + 1)
		room = max + 1;
	grown = realloc(get->text, room);
	if (!grown)
		return -ENOMEM;
	get->text = grown;
	get->room = room;
	return 0;
}

/* To the orderly end of the connection. */
static int receive(struct get *get)
{
	SSL *ssl = NULL;
	int n, r;

	(void)BIO_get_ssl(get->bio, &ssl);
	for (;;) {
		r = make_room(get);
		if (r < 0)
			return r;
		n = BIO_read(get->bio, get->text + get->len,
			     (int)(get->room - get->len - 1));
		if (n > 0)
			get->len += (size_t)n;
		else if (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)
			break;
		else
			r = wait_for(get);
		if (r < 0 || left(get) == 0)
			return r < 0 ? r
				     : fail(get, -ETIMEDOUT,
					    "no answer in time");
	}
	get->text[get->len] = '\0';
	return 0;
}

/* What is behind the head of an answer of 200. */
static int take_body(struct get *get, char **ret_body, size_t *ret_len)
{
	const char *end =
		memmem(get->text, get->len, "\r\n\r\n", strlen("\r\n\r\n"));
	const char *code = get->text + strlen("HTTP/1.1 ");
	size_t len;
	char *body;

	if (!end || strncmp(get->text, "HTTP/1.", strlen("HTTP/1.")) != 0 ||
	    end < code || code[-1] != ' ')
		return fail(get, -EPROTO, "what answers is no HTTP server");
	if (strncmp(code, "200", 3) != 0)
		return fail(get, -EPROTO, "the answer is %.3s", code);
	end += strlen("\r\n\r\n");
	len = get->len - (size_t)(end - get->text);
	if (len > get->options->max)
		return fail(get, -EMSGSIZE,
			    "the answer is longer than %zu "
			    "bytes",
			    get->options->max);
	body = malloc(len + 1);
	if (!body)
		return -ENOMEM;
	memcpy(body, end, len + 1);

	*ret_body = body;
	*ret_len = len;
	return 0;
}

int clo_https_get(const struct clo_https *options, const char *url,
		  char **ret_body, size_t *ret_len, char reterr_text[160])
{
	__attribute__((cleanup(get_done))) struct get get = {
		.options = options,
		.deadline = time(NULL) + options->timeout,
		.error = reterr_text,
	};
	int r;

	(void)snprintf(reterr_text, 160, "out of memory");
	r = read_url(&get, url);
	if (r == 0)
		r = clo_tls_client_context(&options->client, &get.context,
					   reterr_text);
	if (r == 0)
		r = connect_to(&get);
	if (r == 0)
		r = ask(&get);
	if (r == 0)
		r = receive(&get);
	return r == 0 ? take_body(&get, ret_body, ret_len) : r;
}
