/* User-mode Linux 6.1 on processors whose state is larger than it knows (AMX: 11 kB instead of 2.7).

   It reads and writes the registers of its processes by ptrace(2), NT_X86_XSTATE, with a buffer for
   the state up to AVX-512. Reading part of it is fine; writing wants exactly the whole size and ends
   with EFAULT (Linux arch/x86/kernel/fpu/regset.c, xstateregs_set), which UML takes for its end. Put
   before the C library's ptrace (LD_PRELOAD), this lays what UML writes over what is there.

   The state's standard form: 512 bytes as FXSAVE has them, a header of 64, then one part for each
   feature (Intel SDM 1, 13.4). Parts beyond UML's buffer stay as they are: its programs may not use
   AMX, which a process has to ask for by arch_prctl(2). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define LARGEST 65536

static long (*below)(int, ...);

static long set_state(void *pid, struct iovec *given)
{
	static __thread char whole[LARGEST];
	struct iovec all = { whole, sizeof(whole) };

	if (below(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &all) < 0)
		return -1;
	if (given->iov_len >= all.iov_len)
		return below(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, given);
	memcpy(whole, given->iov_base, given->iov_len);
	return below(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list words;
	void *pid, *address, *data;

	va_start(words, request);
	pid = va_arg(words, void *);
	address = va_arg(words, void *);
	data = va_arg(words, void *);
	va_end(words);
	if (!below)
		below = (long (*)(int, ...))dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE)
		return set_state(pid, data);
	return below(request, pid, address, data);
}
