/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/gateway/route.h"
#include "agent/gateway/stream.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define HEADER_MAX 8192
#define MEMORY_MAX ((size_t)32 << 10) /* of one connection */
#define STACK_MAX ((size_t)512 << 10)
#define IDLE_SECONDS 30U
#define STREAM_BLOCK 8192

struct clo_http {
	struct clo_gateway *gateway;
	const struct clo_tls *tls;
	struct MHD_Daemon *daemon;
};

/* From the first line of a request to the end of its answer. */
struct request {
	char target[CLO_TARGET_MAX + 1];
	bool target_too_long, body_too_long, begun;
	char body[CLO_BODY_MAX];
	size_t body_len;
};

static void *on_target(void *userdata, const char *target,
		       struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof(*request));

	(void)userdata;
	(void)connection;
	if (!request)
		return NULL;
	request->target_too_long = strlen(target) > CLO_TARGET_MAX;
	(void)snprintf(request->target, sizeof(request->target), "%s", target);
	return request;
}

static void on_completed(void *userdata, struct MHD_Connection *connection,
			 void **context, enum MHD_RequestTerminationCode code)
{
	(void)userdata;
	(void)connection;
	(void)code;
	free(*context);
	*context = NULL;
}

__attribute__((format(printf, 2, 0))) static void
on_log(void *userdata, const char *fmt, va_list args)
{
	char text[256];

	(void)userdata;
	(void)vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	clo_log(CLO_LOG_DEBUG, "http: %s", text);
}

static ssize_t on_stream(void *userdata, uint64_t position, char *buffer,
			 size_t size)
{
	ssize_t n = clo_stream_next(userdata, buffer, size);

	(void)position;
	return n > 0 ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void on_stream_end(void *userdata)
{
	clo_stream_free(userdata);
}

static struct MHD_Response *response_of(struct clo_answer *answer)
{
	struct MHD_Response *response;

	if (!answer->stream) {
		response = MHD_create_response_from_buffer(
			answer->len, answer->body, MHD_RESPMEM_MUST_FREE);
		if (response)
			answer->body = NULL;
		return response;
	}
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, answer->stream,
		on_stream_end);
	if (response)
		answer->stream = NULL;
	return response;
}

static void add_header(struct MHD_Response *response, const char *name,
		       const char *value)
{
	if (value)
		(void)MHD_add_response_header(response, name, value);
}

static void count(struct clo_gateway *gateway, unsigned int status)
{
	enum clo_gateway_counter counter = CLO_COUNT_2XX;

	if (status == 429)
		gateway->counters[CLO_COUNT_LIMITED]++;
	if (status >= 400)
		counter = status >= 500 ? CLO_COUNT_5XX : CLO_COUNT_4XX;
	gateway->counters[counter]++;
}

static enum MHD_Result send_answer(struct clo_http *http,
				   struct MHD_Connection *connection,
				   struct clo_answer *answer)
{
	struct MHD_Response *response = response_of(answer);
	unsigned int status = answer->status;
	char seconds[16];
	enum MHD_Result sent;

	count(http->gateway, status);
	if (!response) {
		clo_answer_done(answer);
		return MHD_NO;
	}
	(void)snprintf(seconds, sizeof(seconds), "%u", answer->retry_after);
	add_header(response, "Content-Type", answer->type);
	add_header(response, "Allow", answer->allow);
	add_header(response, "Retry-After",
		   answer->retry_after ? seconds : NULL);
	add_header(response, "Cache-Control", "no-store");
	add_header(response, "X-Content-Type-Options", "nosniff");
	sent = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	clo_answer_done(answer);
	return sent;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Before a byte of the body is read; false after an answer. */
static bool check_sizes(struct MHD_Connection *connection,
			const struct request *request,
			struct clo_answer *answer)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const char *length = header(connection, "Content-Length");
	int64_t announced = 0;

	if (request->target_too_long)
		clo_answer_problem(answer, 414, "at most %d bytes",
				   CLO_TARGET_MAX);
	else if (!info || info->header_size > HEADER_MAX)
		clo_answer_problem(answer, 431, "at most %d bytes", HEADER_MAX);
	else if (length &&
		 !clo_query_number(length, 0, CLO_BODY_MAX, &announced))
		clo_answer_problem(answer, 413, "at most %d bytes",
				   CLO_BODY_MAX);
	else
		return true;
	return false;
}

static void identify(struct clo_http *http, struct MHD_Connection *connection,
		     struct clo_tls_client *ret_client)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	*ret_client = (struct clo_tls_client){
		.who = {.role = CLO_ROLE_NOBODY},
		.digest = 1,
	};
	if (info && info->tls_session)
		clo_tls_client(http->tls, info->tls_session, ret_client);
	if (ret_client->who.role == CLO_ROLE_NOBODY)
		http->gateway->counters[CLO_COUNT_NOBODY]++;
}

static enum MHD_Result answer_whole(struct clo_http *http,
				    struct MHD_Connection *connection,
				    const char *method,
				    const struct request *request)
{
	struct clo_answer answer = {0};
	struct clo_tls_client client;
	struct clo_call call = {
		.gateway = http->gateway,
		.now = time(NULL),
		.method = method,
		.target = request->target,
		.content_type = header(connection, "Content-Type"),
		.last_event_id = header(connection, "Last-Event-ID"),
		.body = request->body,
		.body_len = request->body_len,
	};

	identify(http, connection, &client);
	call.who = client.who;
	call.client = client.digest;
	call.expires = client.expires;
	if (request->body_too_long) {
		clo_answer_problem(&answer, 413, "at most %d bytes",
				   CLO_BODY_MAX);
	} else if (!clo_gateway_admit(http->gateway, client.digest, false)) {
		clo_answer_problem(&answer, 429, "too many requests");
		answer.retry_after = 5;
	} else {
		clo_route_call(clo_routes, clo_routes_n, &call, &answer);
	}
	return send_answer(http, connection, &answer);
}

static void keep(struct request *request, const char *data, size_t len)
{
	if (len > sizeof(request->body) - request->body_len) {
		request->body_too_long = true;
		return;
	}
	memcpy(request->body + request->body_len, data, len);
	request->body_len += len;
}

static enum MHD_Result on_request(void *userdata,
				  struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *len, void **context)
{
	struct clo_answer answer = {0};
	struct request *request = *context;

	(void)url;
	(void)version;
	if (!request)
		return MHD_NO;
	if (!request->begun) {
		request->begun = true;
		if (!check_sizes(connection, request, &answer))
			return send_answer(userdata, connection, &answer);
		return MHD_YES;
	}
	if (*len > 0) {
		keep(request, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return answer_whole(userdata, connection, method, request);
}

static struct MHD_Daemon *start(struct clo_http *http, int listener,
				const char *certificate, const char *key,
				const char *client_ca)
{
	const struct clo_gateway_options *options = http->gateway->options;

	return MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD |
			MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
			MHD_USE_TLS | MHD_USE_ITC | MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
		on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_HTTPS_MEM_CERT, certificate,
		MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_MEM_TRUST,
		client_ca, MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
		MHD_OPTION_CONNECTION_LIMIT, options->connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_each,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_MAX,
		MHD_OPTION_THREAD_STACK_SIZE, STACK_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
		on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		NULL, MHD_OPTION_END);
}

int clo_http_new(struct clo_gateway *gateway, const struct clo_tls *tls,
		 int listener, const char *certificate, const char *key,
		 const char *client_ca, struct clo_http **ret_http)
{
	CLO_AUTO_FD int owned = listener;
	struct clo_http *http = calloc(1, sizeof(*http));

	if (!http)
		return -ENOMEM;
	http->gateway = gateway;
	http->tls = tls;
	http->daemon = start(http, owned, certificate, key, client_ca);
	if (!http->daemon) {
		free(http);
		return -EIO;
	}
	(void)clo_take_fd(&owned); /* closed with the daemon */
	*ret_http = http;
	return 0;
}

void clo_http_free(struct clo_http *http)
{
	if (!http)
		return;

	MHD_stop_daemon(http->daemon);
	free(http);
}
