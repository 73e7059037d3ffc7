//go:build linux && cgo

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

// Measured with Go 1.26 and glibc 2.36 on 2 CPUs: from 0.9 to 1.6 GB of address space some starts of scout transcribe fail
// and others do not, below that all do; with 1.9 GB none of 15 did. Address space is not memory: nearly all of it is
// reserved and never used.
#define ADDRESS_SPACE 1900000000UL
// With 30 MB of data the program crashes before it says anything, with 200 MB it tells what the engine lacks.
#define DATA 200000000UL
// What Go's runtime and this program open before the first line can be said.
#define OPEN_FILES 6
#define THREADS 6

static _Noreturn void refuse(const char *lacking, const char *limit, unsigned long have, const char *unit, const char *remedy) {
	dprintf(2, "%s: %s: the limit is %lu%s (%s)\n  hint: %s\n", program_invocation_short_name, lacking, have, unit, limit, remedy);
	_exit(1);
}

static unsigned long limit_of(int resource) {
	struct rlimit l;
	return getrlimit(resource, &l) == 0 && l.rlim_cur != RLIM_INFINITY ? l.rlim_cur : 0;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_gate(void *unused) {
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return unused;
}

// check_threads starts as many threads at once as Go's runtime will need, with small stacks.
static int check_threads(void) {
	pthread_t threads[THREADS];
	pthread_attr_t attr;
	int started = 0, failed = 0;
	if (pthread_attr_init(&attr) != 0) return 0;
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_mutex_lock(&gate);
	while (started < THREADS && failed == 0) {
		failed = pthread_create(&threads[started], &attr, wait_for_gate, NULL);
		if (failed == 0) started++;
	}
	pthread_mutex_unlock(&gate);
	while (started > 0) pthread_join(threads[--started], NULL);
	pthread_attr_destroy(&attr);
	return failed;
}

// fill_closed opens /dev/null in place of standard streams that are closed. Go's runtime would open it to read and to
// write: what the program writes would be lost without an error. Here standard input can only be written to and
// standard output only be read from, so that using either fails with EBADF. Standard error takes everything: there is
// nobody to tell.
static void fill_closed(void) {
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDWR};
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
		int opened = open("/dev/null", modes[fd]); // the lowest number that is free: fd
		if (opened != fd && opened >= 0) close(opened);
	}
}

__attribute__((constructor)) static void scout_preflight(void) {
	fill_closed();
	unsigned long space = limit_of(RLIMIT_AS), data = limit_of(RLIMIT_DATA), processes = limit_of(RLIMIT_NPROC);
	if (space != 0) {
		void *room = mmap(NULL, ADDRESS_SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (room == MAP_FAILED)
			refuse("not enough memory may be used", "ulimit -v", space >> 20, " MB of address space", "allow 2 GB, for example: ulimit -v 2000000");
		munmap(room, ADDRESS_SPACE);
	}
	if (data != 0 && data < DATA)
		refuse("not enough memory may be used", "ulimit -d", data >> 20, " MB of data", "allow 200 MB, for example: ulimit -d 200000");
	int files[OPEN_FILES], opened = 0, failed = 0;
	while (opened < OPEN_FILES && !failed) {
		files[opened] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (files[opened] >= 0)
			opened++;
		else
			failed = errno;
	}
	while (opened > 0) close(files[--opened]);
	if (failed == EMFILE)
		refuse("too many open files", "ulimit -n", limit_of(RLIMIT_NOFILE), " files", "raise it, for example: ulimit -n 1024");
	if (processes != 0 && check_threads() == EAGAIN)
		refuse("no more threads may be started", "ulimit -u", processes, " processes and threads", "close other programs, or raise the limit");
}
