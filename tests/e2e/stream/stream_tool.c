/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The control plane's side of a stream, or what it may not do as a node.
 * usage: stream_tool URLS WORD [CA CERTIFICATE KEY [NODE]]
 * make, make3 (of three replicas), delete; count; leader: the server's name;
 * list: each message's id and subject, in the order of the stream; data: each
 * message, a line each; bucket: make that of the policies; put:KEY: into it
 * what comes from stdin; get:KEY: from it; follow:
 * what comes from now on, with the message, until it is killed.
 */

#include <nats/nats.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STREAM "CLOISON"
#define BUCKET "cloison-policy"
#define WAIT_MS 20000 /* the machine may be busy */

static natsStatus set_servers(natsOptions *options, char *urls)
{
	const char *list[8];
	int n = 0;

	for (char *url = strtok(urls, ","); url && n < 8;
	     url = strtok(NULL, ","))
		list[n++] = url;
	return natsOptions_SetServers(options, list, n);
}

static int connect_to(natsConnection **ret, char *url, char **pems,
		      const char *node)
{
	char inbox[128];

	natsOptions *options = NULL;
	natsStatus status = natsOptions_Create(&options);

	if (status == NATS_OK)
		status = set_servers(options, url);
	if (status == NATS_OK && pems)
		status = natsOptions_SetSecure(options, true);
	if (status == NATS_OK && pems)
		status =
			natsOptions_LoadCATrustedCertificates(options, pems[0]);
	if (status == NATS_OK && pems)
		status = natsOptions_LoadCertificatesChain(options, pems[1],
							   pems[2]);
	if (status == NATS_OK)
		status = natsOptions_SetTimeout(options, WAIT_MS);
	(void)snprintf(inbox, sizeof(inbox), "_INBOX.%s",
		       node ? node : "plane");
	if (status == NATS_OK)
		status = natsOptions_SetCustomInboxPrefix(options, inbox);
	if (status == NATS_OK)
		status = natsConnection_Connect(ret, options);
	natsOptions_Destroy(options);
	return status != NATS_OK;
}

static int make(jsCtx *js, int replicas)
{
	jsStreamConfig config;

	(void)jsStreamConfig_Init(&config);
	config.Name = STREAM;
	config.Subjects = (const char *[]){"att.v1.>", "evt.v1.>"};
	config.SubjectsLen = 2;
	config.Replicas = replicas;
	return js_AddStream(NULL, js, &config, NULL, NULL) != NATS_OK;
}

/* The count, or the name of the server that leads. */
static int tell(jsCtx *js, bool leader)
{
	jsStreamInfo *info = NULL;

	if (js_GetStreamInfo(&info, js, STREAM, NULL, NULL) != NATS_OK)
		return 1;
	if (!leader)
		(void)printf("%llu\n", (unsigned long long)info->State.Msgs);
	else if (info->Cluster && info->Cluster->Leader)
		(void)puts(info->Cluster->Leader);
	jsStreamInfo_Destroy(info);
	return 0;
}

/* A stream that changes its leader answers later, not never. */
static natsStatus get_message(natsMsg **ret_message, jsCtx *js,
			      uint64_t sequence)
{
	natsStatus status = NATS_TIMEOUT;

	for (int tries = 0; tries < 60; tries++) {
		status = js_GetMsg(ret_message, js, STREAM, sequence, NULL,
				   NULL);
		if (status == NATS_OK || status == NATS_NOT_FOUND)
			break;
		nats_Sleep(500);
	}
	return status;
}

static int list(jsCtx *js, bool data)
{
	jsStreamInfo *info = NULL;

	if (js_GetStreamInfo(&info, js, STREAM, NULL, NULL) != NATS_OK) {
		nats_PrintLastErrorStack(stderr);
		return 1;
	}
	for (uint64_t i = info->State.FirstSeq;
	     info->State.Msgs > 0 && i <= info->State.LastSeq; i++) {
		natsMsg *message = NULL;
		natsStatus status = get_message(&message, js, i);
		const char *id;

		if (status == NATS_NOT_FOUND)
			continue;
		if (status != NATS_OK) {
			jsStreamInfo_Destroy(info);
			return 1;
		}
		if (data)
			(void)printf("%.*s\n", natsMsg_GetDataLength(message),
				     natsMsg_GetData(message));
		else if (natsMsgHeader_Get(message, "Nats-Msg-Id", &id) ==
			 NATS_OK)
			(void)printf("%s %s\n", id,
				     natsMsg_GetSubject(message));
		natsMsg_Destroy(message);
	}
	jsStreamInfo_Destroy(info);
	return 0;
}

static int make_bucket(jsCtx *js)
{
	kvConfig config;
	kvStore *bucket = NULL;
	int r;

	(void)kvConfig_Init(&config);
	config.Bucket = BUCKET;
	r = js_CreateKeyValue(&bucket, js, &config) != NATS_OK;
	kvStore_Destroy(bucket);
	return r;
}

static int put(jsCtx *js, const char *key)
{
	static char value[9U << 20];
	size_t len = fread(value, 1, sizeof(value), stdin);
	char subject[256];

	(void)snprintf(subject, sizeof(subject), "$KV." BUCKET ".%s", key);
	return js_Publish(NULL, js, subject, value, (int)len, NULL, NULL) !=
	       NATS_OK;
}

/* As a node asks. */
static int get(natsConnection *connection, const char *key)
{
	natsMsg *message = NULL;
	char subject[256];

	(void)snprintf(subject, sizeof(subject),
		       "$JS.API.DIRECT.GET.KV_" BUCKET ".$KV." BUCKET ".%s",
		       key);
	if (natsConnection_RequestString(&message, connection, subject, "",
					 5000) != NATS_OK)
		return 1;
	(void)printf("%.*s", natsMsg_GetDataLength(message),
		     natsMsg_GetData(message));
	natsMsg_Destroy(message);
	return 0;
}

static void on_message(natsConnection *connection,
		       natsSubscription *subscription, natsMsg *message,
		       void *userdata)
{
	const char *id = "?";

	(void)connection, (void)subscription, (void)userdata;
	(void)natsMsgHeader_Get(message, "Nats-Msg-Id", &id);
	(void)printf("%s %s %.*s\n", id, natsMsg_GetSubject(message),
		     natsMsg_GetDataLength(message), natsMsg_GetData(message));
	(void)fflush(stdout);
	natsMsg_Destroy(message);
}

static int follow(jsCtx *js)
{
	static const char *const subjects[] = {"att.v1.>", "evt.v1.>"};
	jsSubOptions options;

	(void)jsSubOptions_Init(&options);
	options.Stream = STREAM;
	options.Config.DeliverPolicy = js_DeliverNew;
	for (int i = 0; i < 2; i++) {
		natsSubscription *subscription = NULL;

		if (js_Subscribe(&subscription, js, subjects[i], on_message,
				 NULL, NULL, &options, NULL) != NATS_OK)
			return 1;
	}
	(void)puts("following");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	natsConnection *connection = NULL;
	jsCtx *js = NULL;
	jsOptions wait;
	int r = 2;

	if (argc != 3 && argc != 6 && argc != 7)
		return 2;
	(void)jsOptions_Init(&wait);
	if (argc < 7) /* a node is not answered where it may not ask */
		wait.Wait = WAIT_MS;
	if (connect_to(&connection, argv[1], argc > 3 ? argv + 3 : NULL,
		       argc == 7 ? argv[6] : NULL) ||
	    natsConnection_JetStream(&js, connection, &wait) != NATS_OK) {
		nats_PrintLastErrorStack(stderr);
		return 1;
	}
	if (strcmp(argv[2], "make") == 0)
		r = make(js, 1);
	else if (strcmp(argv[2], "make3") == 0)
		r = make(js, 3);
	else if (strcmp(argv[2], "count") == 0)
		r = tell(js, false);
	else if (strcmp(argv[2], "leader") == 0)
		r = tell(js, true);
	else if (strcmp(argv[2], "list") == 0)
		r = list(js, false);
	else if (strcmp(argv[2], "data") == 0)
		r = list(js, true);
	else if (strcmp(argv[2], "bucket") == 0)
		r = make_bucket(js);
	else if (strncmp(argv[2], "put:", 4) == 0)
		r = put(js, argv[2] + 4);
	else if (strncmp(argv[2], "get:", 4) == 0)
		r = get(connection, argv[2] + 4);
	else if (strcmp(argv[2], "follow") == 0)
		r = follow(js);
	else if (strcmp(argv[2], "delete") == 0)
		r = js_DeleteStream(js, STREAM, NULL, NULL) != NATS_OK;
	jsCtx_Destroy(js);
	natsConnection_Destroy(connection);
	return r;
}
