/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The control plane's side of a stream.
 * usage: stream_tool URLS WORD [CA CERTIFICATE KEY]
 * make, make3 (of three replicas), delete; count; leader: the server's name;
 * list: each message's id and subject, in the order of the stream.
 */

#include <nats/nats.h>
#include <stdio.h>
#include <string.h>

#define STREAM "CLOISON"

static natsStatus set_servers(natsOptions *options, char *urls)
{
	const char *list[8];
	int n = 0;

	for (char *url = strtok(urls, ","); url && n < 8;
	     url = strtok(NULL, ","))
		list[n++] = url;
	return natsOptions_SetServers(options, list, n);
}

static int connect_to(natsConnection **ret, char *url, char **pems)
{
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

static int list(jsCtx *js)
{
	jsStreamInfo *info = NULL;

	if (js_GetStreamInfo(&info, js, STREAM, NULL, NULL) != NATS_OK)
		return 1;
	for (uint64_t i = info->State.FirstSeq;
	     info->State.Msgs > 0 && i <= info->State.LastSeq; i++) {
		natsMsg *message = NULL;
		const char *id;

		if (js_GetMsg(&message, js, STREAM, i, NULL, NULL) != NATS_OK)
			continue;
		if (natsMsgHeader_Get(message, "Nats-Msg-Id", &id) == NATS_OK)
			(void)printf("%s %s\n", id,
				     natsMsg_GetSubject(message));
		natsMsg_Destroy(message);
	}
	jsStreamInfo_Destroy(info);
	return 0;
}

int main(int argc, char **argv)
{
	natsConnection *connection = NULL;
	jsCtx *js = NULL;
	int r = 2;

	if (argc != 3 && argc != 6)
		return 2;
	if (connect_to(&connection, argv[1], argc == 6 ? argv + 3 : NULL) ||
	    natsConnection_JetStream(&js, connection, NULL) != NATS_OK)
		return 1;
	if (strcmp(argv[2], "make") == 0)
		r = make(js, 1);
	else if (strcmp(argv[2], "make3") == 0)
		r = make(js, 3);
	else if (strcmp(argv[2], "count") == 0)
		r = tell(js, false);
	else if (strcmp(argv[2], "leader") == 0)
		r = tell(js, true);
	else if (strcmp(argv[2], "list") == 0)
		r = list(js);
	else if (strcmp(argv[2], "delete") == 0)
		r = js_DeleteStream(js, STREAM, NULL, NULL) != NATS_OK;
	jsCtx_Destroy(js);
	natsConnection_Destroy(connection);
	return r;
}
