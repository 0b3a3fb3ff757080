/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/syslog_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/base/log.h"

#define DEADLINE_MS 10000
#define UNACKNOWLEDGED_MS 30000 /* until the kernel gives a peer up */

struct clo_syslog {
	SSL *ssl;
	int fd;
};

static void context_freep(SSL_CTX **context)
{
	SSL_CTX_free(*context);
}

static void addresses_freep(struct addrinfo **addresses)
{
	if (*addresses)
		freeaddrinfo(*addresses);
}

void clo_syslog_free(struct clo_syslog *syslog)
{
	if (!syslog)
		return;

	SSL_free(syslog->ssl);
	clo_fd_closep(&syslog->fd);
	free(syslog);
}

static int wait_fd(int fd, short events)
{
	struct pollfd waited = {.fd = fd, .events = events};

	return poll(&waited, 1, DEADLINE_MS) == 1 ? 0 : -ENOTCONN;
}

/* What a call of the library waits for; 0: it is there, call again. */
static int wait_ssl(const struct clo_syslog *syslog, int result)
{
	switch (SSL_get_error(syslog->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return wait_fd(syslog->fd, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return wait_fd(syslog->fd, POLLOUT);
	default:
		return -ENOTCONN;
	}
}

static int make_ssl(const struct clo_syslog_config *config, SSL **ret_ssl)
{
	__attribute__((cleanup(context_freep))) SSL_CTX *context = NULL;
	char text[160];
	SSL *ssl;
	int r;

	r = clo_tls_client_context(&config->client, &context, text);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "%s", text);
	ssl = SSL_new(context);
	if (!ssl)
		return -ENOMEM;
	r = clo_tls_client_expect(ssl, config->host);
	if (r < 0) {
		SSL_free(ssl);
		return r;
	}

	*ret_ssl = ssl;
	return 0;
}

static int connect_one(const struct addrinfo *address, int *ret_fd)
{
	const unsigned int patience = UNACKNOWLEDGED_MS;
	int error = 0;
	socklen_t len = sizeof(error);
	CLO_AUTO_FD int fd =
		socket(address->ai_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 &&
	    (errno != EINPROGRESS || wait_fd(fd, POLLOUT) < 0 ||
	     getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error))
		return -ENOTCONN;
	if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience,
		       sizeof(patience)) < 0)
		return -errno;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

static int connect_to(const struct clo_syslog_config *config, int *ret_fd)
{
	__attribute__((cleanup(addresses_freep))) struct addrinfo *list = NULL;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	int r = -ENOTCONN;

	if (getaddrinfo(config->host, config->port, &hints, &list) != 0)
		return -ENOTCONN;
	for (const struct addrinfo *one = list; one && r < 0;
	     one = one->ai_next)
		r = connect_one(one, ret_fd);
	return r < 0 ? -ENOTCONN : 0;
}

static int shake_hands(const struct clo_syslog *syslog)
{
	int result;
	int r = 0;

	if (SSL_set_fd(syslog->ssl, syslog->fd) != 1)
		return -ENOMEM;
	while (r == 0 && (result = SSL_connect(syslog->ssl)) != 1)
		r = wait_ssl(syslog, result);
	if (r < 0 && SSL_get_verify_result(syslog->ssl) != X509_V_OK)
		return -EACCES;
	return r;
}

int clo_syslog_open(const struct clo_syslog_config *config,
		    struct clo_syslog **ret_syslog)
{
	CLO_AUTO(clo_syslog) struct clo_syslog *syslog = NULL;
	int r;

	syslog = calloc(1, sizeof(*syslog));
	if (!syslog)
		return -ENOMEM;
	syslog->fd = -1;
	ERR_clear_error();
	r = make_ssl(config, &syslog->ssl);
	if (r == 0)
		r = connect_to(config, &syslog->fd);
	if (r == 0)
		r = shake_hands(syslog);
	if (r < 0)
		return r;

	*ret_syslog = CLO_TAKE(syslog);
	return 0;
}

int clo_syslog_send(struct clo_syslog *syslog, const char *message)
{
	CLO_AUTO_MEM char *frame = NULL;
	int len, result;
	int r = 0;

	len = asprintf(&frame, "%zu %s", strlen(message), message);
	if (len < 0) {
		frame = NULL;
		return -ENOMEM;
	}
	ERR_clear_error();
	while (r == 0 && (result = SSL_write(syslog->ssl, frame, len)) <= 0)
		r = wait_ssl(syslog, result);
	return r;
}

int clo_syslog_settled(struct clo_syslog *syslog)
{
	int unsent = 0;
	char byte;
	int result;

	/* a receiver says nothing, but may refuse us or take its leave */
	ERR_clear_error();
	result = SSL_read(syslog->ssl, &byte, sizeof(byte));
	if (result > 0 ||
	    SSL_get_error(syslog->ssl, result) != SSL_ERROR_WANT_READ)
		return -ENOTCONN;
	if (ioctl(syslog->fd, SIOCOUTQ, &unsent) < 0)
		return -ENOTCONN;
	return unsent == 0 ? 0 : -EAGAIN;
}

int clo_syslog_close(struct clo_syslog *syslog)
{
	int result;
	int r = 0;

	ERR_clear_error();
	result = SSL_shutdown(syslog->ssl);
	while (r == 0 && result != 1) {
		/* 0: our part is sent, theirs is to come */
		r = result == 0 ? wait_fd(syslog->fd, POLLIN)
				: wait_ssl(syslog, result);
		if (r == 0)
			result = SSL_shutdown(syslog->ssl);
	}
	return r;
}
