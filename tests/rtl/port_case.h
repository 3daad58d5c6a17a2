/* SPDX-License-Identifier: BSD-2-Clause */
/* What the benches of rtl/port and rtl/mem share: cases that pass or fail, and random numbers. */
#ifndef PORT_CASE_H
#define PORT_CASE_H

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using std::uint32_t;
using std::uint64_t;
using words = std::vector<uint32_t>;

/* ---------------------------------------------------------------- cases */
inline std::string case_failure;
inline int cases_failed;

inline bool expect(bool ok, const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	if (ok || !case_failure.empty())
		return ok;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	case_failure = buf;
	return false;
}

inline void end_case(const std::string &name)
{
	if (case_failure.empty()) {
		printf("PASS %s\n", name.c_str());
	} else {
		printf("FAIL %s: %s\n", name.c_str(), case_failure.c_str());
		cases_failed++;
	}
	fflush(stdout);
	case_failure.clear();
}

/* ---------------------------------------------------------------- random numbers, repeatable */
struct random_source {
	uint64_t s = 0x9E3779B97F4A7C15ull;
	uint32_t next()
	{
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		return (uint32_t)(s >> 16);
	}
	uint32_t below(uint32_t n) { return next() % n; }
	bool chance(uint32_t percent) { return below(100) < percent; }
};

#endif
