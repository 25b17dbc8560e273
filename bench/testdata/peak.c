/* Runs a program and writes its peak of resident memory in KiB to a file: peak FILE PROGRAM ARGUMENTS...
 * A child's ru_maxrss begins at the peak of whoever starts it, for the kernel carries it over exec; this
 * starter is small, so that what is measured is the program. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage used;
	int status;
	FILE *out;
	pid_t child;

	if (argc < 3)
		return 2;
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (wait4(child, &status, 0, &used) != child)
		return 1;
	out = fopen(argv[1], "w");
	if (!out || fprintf(out, "%ld\n", used.ru_maxrss) < 0 || fclose(out))
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
