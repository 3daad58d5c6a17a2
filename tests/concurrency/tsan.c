/* SPDX-License-Identifier: BSD-2-Clause */
/* How ThreadSanitizer runs in these suites: every report fails the case, and nothing is suppressed.
 */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "halt_on_error=0:exitcode=66:history_size=4:report_signal_unsafe=0";
}
#else
/* A translation unit must not be empty. */
typedef int mpdisk_no_tsan;
#endif
