/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/meaning.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/node.h"
#include "policy/parse.h"

#define SHARE 10 /* of the time of one CPU at most one part in so many */
#define REST 20 /* ms that it rests at least, when it does */
#define NICE 10

/* What the thread works on; nobody else does meanwhile. */
struct job {
	json_t *documents; /* shared with the force: nobody changes them */
	time_t accepted, compiled_at;
	struct clo_meaning meaning; /* `tables`: those that must come out */
	double begin; /* clo_milliseconds() */
	int stop; /* eventfd: to be read when it must end; borrowed */
	int done; /* eventfd: written at its end; borrowed */
};

struct clo_meaner {
	struct clo_node *node;
	void (*on_news)(void *userdata);
	void *userdata;
	int stop, done;
	struct job *job; /* NULL: no thread runs */
	pthread_t thread;
	sd_event_source *post; /* looks, after anything has happened */
	sd_event_source *end; /* of a thread */
};

static const uint8_t *digest_of(const struct clo_node *node)
{
	return node->force->compiled->tables->gen.tables_digest;
}

bool clo_meaning_known(const struct clo_node *node)
{
	const struct clo_meaning *meaning = &node->meaning;

	return node->force && meaning->at &&
	       memcmp(meaning->tables, digest_of(node),
		      sizeof(meaning->tables)) == 0;
}

static double cpu_ms(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What it took too much of, compiling for one, it rests for. */
static int keep_share(void *userdata)
{
	const struct job *job = userdata;
	struct pollfd stop = {.fd = job->stop, .events = POLLIN};
	double owed = SHARE * cpu_ms() - (clo_milliseconds() - job->begin);

	if (owed < REST)
		return 0;
	return poll(&stop, 1, (int)owed) > 0 ? -ECANCELED : 0;
}

static int compare(struct job *job)
{
	const struct clo_oracle_pace pace = {keep_share, job};
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO_MEM struct clo_oracle_report *report = NULL;
	int r;

	report = calloc(1, sizeof(*report));
	if (!report)
		return -ENOMEM;
	r = clo_flaws_new(&flaws);
	if (r == 0)
		r = clo_force_parse(job->documents, job->accepted, &policy,
				    flaws);
	if (r == 0)
		r = clo_compile(policy, job->compiled_at, &compiled, flaws);
	if (r < 0)
		return r;
	assert(compiled);
	if (memcmp(compiled->tables->gen.tables_digest, job->meaning.tables,
		   sizeof(job->meaning.tables)) != 0)
		return -EBADMSG;
	r = clo_oracle_compare_paced(compiled, compiled->tables,
				     job->compiled_at, &pace, report);
	if (r < 0)
		return r;

	job->meaning.verdicts = report->verdicts;
	job->meaning.differences = report->differences;
	(void)snprintf(job->meaning.first, sizeof(job->meaning.first), "%s",
		       report->differences ? report->first.text : "");
	return 0;
}

static void *work(void *userdata)
{
	struct job *job = userdata;

	/* of this thread alone, on Linux */
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	job->meaning.error = compare(job);
	job->meaning.ms = cpu_ms();
	job->meaning.at = time(NULL);
	(void)eventfd_write(job->done, 1);
	return NULL;
}

static void job_free(struct job *job)
{
	if (!job)
		return;

	json_decref(job->documents);
	free(job);
}
CLO_DEFINE_FREEP(job)

static int start(struct clo_meaner *meaner)
{
	const struct clo_force *force = meaner->node->force;
	CLO_AUTO(job) struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->documents = json_incref(force->documents); /* atomically */
	job->accepted = force->accepted;
	job->compiled_at = force->compiled_at;
	memcpy(job->meaning.tables, digest_of(meaner->node),
	       sizeof(job->meaning.tables));
	job->begin = clo_milliseconds();
	job->stop = meaner->stop;
	job->done = meaner->done;
	r = pthread_create(&meaner->thread, NULL, work, job);
	if (r != 0)
		return -r;

	meaner->job = CLO_TAKE(job);
	return 0;
}

static void tell_log(const struct clo_meaning *meaning)
{
	if (meaning->error)
		(void)clo_log_errno(CLO_LOG_ERR, meaning->error,
				    "the documents' meaning is not known");
	else
		clo_log(meaning->differences ? CLO_LOG_ERR : CLO_LOG_INFO,
			"tables compared with the documents verdicts=%llu "
			"differences=%llu ms=%.1f %s",
			(unsigned long long)meaning->verdicts,
			(unsigned long long)meaning->differences, meaning->ms,
			meaning->first);
}

static int on_post(sd_event_source *source, void *userdata)
{
	struct clo_meaner *meaner = userdata;
	struct clo_node *node = meaner->node;
	int r;

	(void)source;
	if (!node->force || meaner->job || clo_meaning_known(node))
		return 0;
	r = start(meaner);
	if (r == 0)
		return 0;
	/* not again for these tables */
	node->meaning = (struct clo_meaning){.error = r, .at = time(NULL)};
	memcpy(node->meaning.tables, digest_of(node),
	       sizeof(node->meaning.tables));
	tell_log(&node->meaning);
	return 0;
}

/* Of a policy that is not in force any more it counts for nothing. */
static int on_end(sd_event_source *source, int fd, uint32_t events,
		  void *userdata)
{
	struct clo_meaner *meaner = userdata;
	CLO_AUTO(job) struct job *job = CLO_TAKE(meaner->job);
	eventfd_t n;

	(void)source;
	(void)events;
	(void)eventfd_read(fd, &n);
	if (!job)
		return 0;
	(void)pthread_join(meaner->thread, NULL);
	meaner->node->meaning = job->meaning;
	(void)malloc_trim(0); /* a policy and its tables */
	if (!clo_meaning_known(meaner->node))
		return 0;
	tell_log(&meaner->node->meaning);
	meaner->on_news(meaner->userdata);
	return 0;
}

int clo_meaner_new(struct sd_event *event, struct clo_node *node,
		   void (*on_news)(void *userdata), void *userdata,
		   struct clo_meaner **ret_meaner)
{
	struct clo_meaner *meaner = calloc(1, sizeof(*meaner));
	int r = 0;

	if (!meaner)
		return -ENOMEM;
	/* A heap of the thread's own would keep what the policy took there. */
	(void)mallopt(M_ARENA_MAX, 1);
	meaner->node = node;
	meaner->on_news = on_news;
	meaner->userdata = userdata;
	meaner->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	meaner->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (meaner->stop < 0 || meaner->done < 0)
		r = -errno;
	if (r >= 0)
		r = sd_event_add_io(event, &meaner->end, meaner->done, EPOLLIN,
				    on_end, meaner);
	if (r >= 0)
		r = sd_event_add_post(event, &meaner->post, on_post, meaner);
	if (r < 0) {
		clo_meaner_free(meaner);
		return r;
	}

	*ret_meaner = meaner;
	return 0;
}

void clo_meaner_free(struct clo_meaner *meaner)
{
	if (!meaner)
		return;

	if (meaner->job) {
		(void)eventfd_write(meaner->stop, 1);
		(void)pthread_join(meaner->thread, NULL);
	}
	job_free(meaner->job);
	sd_event_source_disable_unref(meaner->post);
	sd_event_source_disable_unref(meaner->end);
	clo_fd_closep(&meaner->stop);
	clo_fd_closep(&meaner->done);
	free(meaner);
}
