package native

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
static void map_from(int bytes) { mallopt(M_MMAP_THRESHOLD, bytes); }
#else
static void trim(void) {}
static void map_from(int bytes) {}
#endif
*/
import "C"

// ReturnFreed gives the system back what the C library keeps of memory that was freed: the environment makes it keep all
// (docs/adr/0002-engine-process.md). It does nothing with other C libraries than glibc.
func ReturnFreed() { C.trim() }

// MapFrom makes the C library take memory of at least so many bytes from the system, and return it as soon as it is freed,
// so that it leaves no holes between what is smaller. It does nothing with other C libraries than glibc.
func MapFrom(bytes int) { C.map_from(C.int(bytes)) }
