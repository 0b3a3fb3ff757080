/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "agent/sys/virt_impl.h"

/* The thread owns all but `thread` and `done_fd` until that is readable. */
struct clo_virt_list {
	pthread_t thread;
	int done_fd;
	virConnectPtr connection; /* borrowed: it outlives this */
	virDomainPtr *handles;
	size_t n_handles;
	struct clo_virt_domain *domains;
	size_t n;
	int r;
};

/* A failed call: did the connection go, or just this one answer? */
static int failed(const struct clo_virt_list *list)
{
	return virConnectIsAlive(list->connection) == 1 ? -EIO : -ENOTCONN;
}

static int describe(struct clo_virt_list *list, virDomainPtr handle)
{
	struct clo_virt_domain *domain = &list->domains[list->n];
	CLO_AUTO_MEM char *xml = NULL;
	int r;

	xml = virDomainGetXMLDesc(handle, 0);
	if (!xml)
		/* Gone between the two calls is as good as not listed. */
		return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN
			       ? 0
			       : failed(list);
	r = clo_virt_parse(xml, domain);
	if (r < 0)
		return r;
	if (domain->id < 0) {
		clo_virt_domain_done(domain); /* stopped meanwhile */
		return 0;
	}
	domain->xml = CLO_TAKE(xml);
	list->n++;
	return 0;
}

static int by_uuid(const void *a, const void *b)
{
	const struct clo_virt_domain *left = a;
	const struct clo_virt_domain *right = b;

	return strcmp(left->uuid, right->uuid);
}

static int list_all(struct clo_virt_list *list)
{
	int n;
	int r;

	n = virConnectListAllDomains(list->connection, &list->handles,
				     VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (n < 0)
		return failed(list);
	list->n_handles = (size_t)n; /* bounded by libvirt's protocol */
	list->domains = calloc((size_t)n + 1, sizeof(*list->domains));
	if (!list->domains)
		return -ENOMEM;
	for (size_t i = 0; i < list->n_handles; i++) {
		r = describe(list, list->handles[i]);
		if (r < 0)
			return r;
	}

	qsort(list->domains, list->n, sizeof(*list->domains), by_uuid);
	return 0;
}

static void *run(void *arg)
{
	struct clo_virt_list *list = arg;
	struct clo_virt_deadline deadline;
	uint64_t one = 1;

	list->r = clo_virt_deadline_start(&deadline);
	if (list->r == 0) {
		list->r = list_all(list);
		clo_virt_deadline_stop(&deadline);
	}
	if (write(list->done_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd at 0 takes a 1 */
	return NULL;
}

int clo_virt_list_new(virConnectPtr connection, struct clo_virt_list **ret_list)
{
	struct clo_virt_list *list;
	int r;

	list = calloc(1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	list->connection = connection;
	list->done_fd = eventfd(0, EFD_CLOEXEC);
	r = list->done_fd < 0 ? -errno
			      : clo_virt_thread(run, list, &list->thread);
	if (r < 0) {
		clo_fd_closep(&list->done_fd);
		free(list);
		return r;
	}

	*ret_list = list;
	return 0;
}

int clo_virt_list_fd(const struct clo_virt_list *list)
{
	return list->done_fd;
}

int clo_virt_list_take(struct clo_virt_list *list,
		       struct clo_virt_domain **ret_domains, size_t *ret_n)
{
	if (list->r < 0)
		return list->r;

	*ret_n = list->n;
	*ret_domains = CLO_TAKE(list->domains);
	list->n = 0;
	return 0;
}

void clo_virt_list_free(struct clo_virt_list *list)
{
	if (!list)
		return;

	(void)pthread_join(list->thread, NULL);
	for (size_t i = 0; i < list->n_handles; i++)
		(void)virDomainFree(list->handles[i]);
	free(list->handles);
	clo_virt_domains_free(list->domains, list->n);
	clo_fd_closep(&list->done_fd);
	free(list);
}

void clo_virt_domains_free(struct clo_virt_domain *domains, size_t n)
{
	for (size_t i = 0; i < n; i++)
		clo_virt_domain_done(&domains[i]);
	free(domains);
}
