/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/broker.h"

#include <errno.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define DEADLINE_MS 10000
#define GET_MS 5000
#define INBOX_MAX 128
#define SUBJECT_MAX 256

struct clo_broker {
	natsConnection *connection;
	jsCtx *js;
	char stream[128];
	/* Of the batch under way; the library's thread tells of refusals. */
	pthread_mutex_t lock;
	const struct clo_broker_message *batch;
	size_t n_batch;
	bool lost[CLO_BROKER_BATCH];
	natsSubscription *watch;
};

static void options_freep(natsOptions **options)
{
	natsOptions_Destroy(*options);
}

static void message_freep(natsMsg **message)
{
	natsMsg_Destroy(*message);
}

static int error_of(natsStatus status)
{
	switch (status) {
	case NATS_OK:
		return 0;
	case NATS_NO_MEMORY:
		return -ENOMEM;
	case NATS_NOT_FOUND:
		return -ENOENT;
	case NATS_MAX_PAYLOAD:
		return -EMSGSIZE;
	case NATS_NOT_PERMITTED:
	case NATS_CONNECTION_AUTH_FAILED:
	case NATS_SECURE_CONNECTION_WANTED:
	case NATS_SECURE_CONNECTION_REQUIRED:
	case NATS_SSL_ERROR:
		return -EACCES;
	case NATS_INVALID_ARG:
	case NATS_INVALID_SUBJECT:
		return -EINVAL;
	default:
		return -ENOTCONN;
	}
}

static natsStatus set_servers(natsOptions *options, const char *urls)
{
	const char *list[16];
	char *copy = strdup(urls);
	char *rest = copy;
	natsStatus status;
	int n = 0;

	if (!copy)
		return NATS_NO_MEMORY;
	while (rest && n < (int)CLO_ARRAY_LEN(list)) {
		list[n] = strsep(&rest, ",");
		n += *list[n] != '\0';
	}
	status = rest || n == 0 ? NATS_INVALID_ARG
				: natsOptions_SetServers(options, list, n);
	free(copy);
	return status;
}

static natsStatus set_tls(natsOptions *options,
			  const struct clo_broker_config *config)
{
	natsStatus status;

	if (!config->ca)
		return NATS_OK;
	status = natsOptions_SetSecure(options, true);
	if (status == NATS_OK)
		status = natsOptions_LoadCATrustedCertificates(options,
							       config->ca);
	if (status == NATS_OK)
		status = natsOptions_LoadCertificatesChain(
			options, config->certificate, config->key);
	return status;
}

static natsStatus set_options(natsOptions *options,
			      const struct clo_broker_config *config)
{
	char inbox[INBOX_MAX];
	natsStatus status;

	if (snprintf(inbox, sizeof(inbox), "_INBOX.%s", config->node) >=
	    (int)sizeof(inbox))
		return NATS_INVALID_ARG;
	status = set_servers(options, config->urls);
	if (status == NATS_OK)
		status = set_tls(options, config);
	if (status == NATS_OK)
		status = natsOptions_SetName(options, config->node);
	if (status == NATS_OK)
		status = natsOptions_SetCustomInboxPrefix(options, inbox);
	if (status == NATS_OK)
		status = natsOptions_SetTimeout(options, DEADLINE_MS);
	if (status == NATS_OK)
		status = natsOptions_SetAllowReconnect(options, false);
	return status;
}

/* -1: not of this batch. */
static long place_of(const struct clo_broker *broker, natsMsg *message)
{
	const char *id;

	if (natsMsgHeader_Get(message, "Nats-Msg-Id", &id) != NATS_OK)
		return -1;
	for (size_t i = 0; i < broker->n_batch; i++)
		if (strcmp(broker->batch[i].id, id) == 0)
			return (long)i;
	return -1;
}

static void lose(struct clo_broker *broker, natsMsg *message)
{
	long place;

	(void)pthread_mutex_lock(&broker->lock);
	place = place_of(broker, message);
	if (place >= 0)
		broker->lost[place] = true;
	(void)pthread_mutex_unlock(&broker->lock);
}

static void on_refusal(jsCtx *js, jsPubAckErr *error, void *userdata)
{
	(void)js;
	lose(userdata, error->Msg);
}

static natsStatus open_stream(struct clo_broker *broker)
{
	jsOptions options;
	natsStatus status = jsOptions_Init(&options);

	options.Wait = DEADLINE_MS;
	options.PublishAsync.MaxPending = CLO_BROKER_BATCH;
	options.PublishAsync.ErrHandler = on_refusal;
	options.PublishAsync.ErrHandlerClosure = broker;
	return status == NATS_OK
		       ? natsConnection_JetStream(&broker->js,
						  broker->connection, &options)
		       : status;
}

int clo_broker_open(const struct clo_broker_config *config,
		    struct clo_broker **ret_broker)
{
	__attribute__((cleanup(options_freep))) natsOptions *options = NULL;
	CLO_AUTO(clo_broker) struct clo_broker *broker = NULL;
	natsStatus status;

	broker = calloc(1, sizeof(*broker));
	if (!broker)
		return -ENOMEM;
	(void)pthread_mutex_init(&broker->lock, NULL);
	if (snprintf(broker->stream, sizeof(broker->stream), "%s",
		     config->stream) >= (int)sizeof(broker->stream))
		return -EINVAL;
	status = natsOptions_Create(&options);
	if (status == NATS_OK)
		status = set_options(options, config);
	if (status == NATS_OK)
		status = natsConnection_Connect(&broker->connection, options);
	if (status == NATS_OK)
		status = open_stream(broker);
	if (status != NATS_OK)
		return error_of(status);

	*ret_broker = CLO_TAKE(broker);
	return 0;
}

void clo_broker_free(struct clo_broker *broker)
{
	if (!broker)
		return;

	natsSubscription_Destroy(broker->watch);
	jsCtx_Destroy(broker->js);
	natsConnection_Destroy(broker->connection);
	(void)pthread_mutex_destroy(&broker->lock);
	free(broker);
}

int clo_broker_last(struct clo_broker *broker, const char *subject,
		    char ret_id[CLO_BROKER_ID_MAX])
{
	__attribute__((cleanup(message_freep))) natsMsg *message = NULL;
	jsErrCode code = 0;
	const char *id;
	natsStatus status;

	status = js_GetLastMsg(&message, broker->js, broker->stream, subject,
			       NULL, &code);
	if (code == JSNoMessageFoundErr)
		return -ENOENT;
	if (status != NATS_OK) /* also where the stream itself is missing */
		return status == NATS_NOT_FOUND ? -ENOTCONN : error_of(status);
	if (natsMsgHeader_Get(message, "Nats-Msg-Id", &id) != NATS_OK ||
	    snprintf(ret_id, CLO_BROKER_ID_MAX, "%s", id) >= CLO_BROKER_ID_MAX)
		return -EPROTO; /* nobody of ours has put it there */
	return 0;
}

/* What a direct get says in its headers; 0: it is the value. */
static int check_got(natsMsg *message, size_t max)
{
	const char *text;

	if (natsMsgHeader_Get(message, "Status", &text) == NATS_OK)
		return strcmp(text, "404") == 0 ? -ENOENT : -ENOTCONN;
	if (natsMsgHeader_Get(message, "KV-Operation", &text) == NATS_OK)
		return -ENOENT; /* that is how a key is deleted */
	return natsMsg_GetDataLength(message) < 0 ||
			       (size_t)natsMsg_GetDataLength(message) > max
		       ? -EMSGSIZE
		       : 0;
}

int clo_broker_get(struct clo_broker *broker, const char *bucket,
		   const char *key, size_t max, char **ret_value,
		   size_t *ret_len)
{
	__attribute__((cleanup(message_freep))) natsMsg *message = NULL;
	char subject[SUBJECT_MAX];
	natsStatus status;
	char *value;
	int r;

	if (snprintf(subject, sizeof(subject),
		     "$JS.API.DIRECT.GET.KV_%s.$KV.%s.%s", bucket, bucket,
		     key) >= (int)sizeof(subject))
		return -EINVAL;
	status = natsConnection_RequestString(&message, broker->connection,
					      subject, "", GET_MS);
	if (status == NATS_NO_RESPONDERS)
		return -ENOENT; /* no such bucket */
	if (status == NATS_TIMEOUT)
		return -EACCES;
	if (status != NATS_OK)
		return error_of(status);
	r = check_got(message, max);
	if (r < 0)
		return r;
	*ret_len = (size_t)natsMsg_GetDataLength(message);
	value = malloc(*ret_len + 1);
	if (!value)
		return -ENOMEM;
	memcpy(value, natsMsg_GetData(message), *ret_len);
	value[*ret_len] = '\0';
	*ret_value = value;
	return 0;
}

static void on_change(natsConnection *connection,
		      natsSubscription *subscription, natsMsg *message,
		      void *userdata)
{
	(void)connection;
	(void)subscription;
	natsMsg_Destroy(message);
	(void)eventfd_write(*(const int *)userdata, 1);
}

int clo_broker_watch(struct clo_broker *broker, const char *bucket,
		     const char *key, int *eventfd)
{
	char subject[SUBJECT_MAX];
	natsStatus status;

	if (snprintf(subject, sizeof(subject), "$KV.%s.%s", bucket, key) >=
	    (int)sizeof(subject))
		return -EINVAL;
	/* not the broker: a last call may come when it is gone */
	status = natsConnection_Subscribe(&broker->watch, broker->connection,
					  subject, on_change, eventfd);
	return status == NATS_OK ? 0 : error_of(status);
}

static natsStatus send(struct clo_broker *broker,
		       const struct clo_broker_message *one)
{
	__attribute__((cleanup(message_freep))) natsMsg *message = NULL;
	jsPubOptions options;
	natsStatus status;

	if (one->len > INT32_MAX)
		return NATS_MAX_PAYLOAD;
	status = jsPubOptions_Init(&options);
	if (status == NATS_OK)
		status = natsMsg_Create(&message, one->subject, NULL, one->data,
					(int)one->len);
	options.MsgId = one->id;
	options.ExpectStream = broker->stream;
	return status == NATS_OK
		       ? js_PublishMsgAsync(broker->js, &message, &options)
		       : status;
}

/* What nobody has answered for is not there, as far as we know. */
static void lose_pending(struct clo_broker *broker)
{
	natsMsgList pending = {0};

	if (js_PublishAsyncGetPendingList(&pending, broker->js) != NATS_OK)
		return;
	for (int i = 0; i < pending.Count; i++)
		lose(broker, pending.Msgs[i]);
	natsMsgList_Destroy(&pending);
}

int clo_broker_publish(struct clo_broker *broker,
		       const struct clo_broker_message *messages, size_t n,
		       size_t *ret_acked)
{
	jsPubOptions options;
	natsStatus status = jsPubOptions_Init(&options);
	size_t sent = 0;
	size_t acked = 0;

	if (n > CLO_BROKER_BATCH)
		return -EINVAL;
	(void)pthread_mutex_lock(&broker->lock);
	memset(broker->lost, 0, sizeof(broker->lost));
	broker->batch = messages;
	broker->n_batch = n;
	(void)pthread_mutex_unlock(&broker->lock);
	while (status == NATS_OK && sent < n) {
		status = send(broker, &messages[sent]);
		sent += status == NATS_OK;
	}
	options.MaxWait = DEADLINE_MS;
	(void)js_PublishAsyncComplete(broker->js, &options);
	lose_pending(broker);

	(void)pthread_mutex_lock(&broker->lock);
	while (acked < sent && !broker->lost[acked])
		acked++;
	broker->n_batch = 0; /* the caller's array goes */
	(void)pthread_mutex_unlock(&broker->lock);
	*ret_acked = acked;
	if (acked == n)
		return 0;
	return acked == sent && status != NATS_OK ? error_of(status)
						  : -ENOTCONN;
}
