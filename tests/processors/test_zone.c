#include "processors/time/zone.h"

#include "base/random.h"
#include "processors/time/civil_time.h"
#include "processors/time/zone_internal.h"
#include "tests/harness/harness.h"

#include <stdlib.h>
#include <time.h>

static struct zone zone(const char *name)
{
    struct zone z;
    if (!zone_find(bytes_string(name), &z))
        test_fail(__FILE__, __LINE__, "there is no zone %s", name);
    return z;
}

static int64_t utc(const char *text)
{
    int64_t ms = 0;
    EXPECT(rfc3339_parse(bytes_string(text), &ms));
    return ms;
}

static void expect_offset(const char *name, const char *moment, int minutes)
{
    struct zone z = zone(name);
    EXPECT_INT(zone_offset_at(&z, utc(moment)), minutes * 60);
}

TEST(a_zone_has_the_offset_of_its_season)
{
    expect_offset("Europe/Paris", "2026-03-29T00:59:59Z", 60);
    expect_offset("Europe/Paris", "2026-03-29T01:00:00Z", 120);
    expect_offset("Europe/Paris", "2026-10-25T00:59:59.999Z", 120);
    expect_offset("Europe/Paris", "2026-10-25T01:00:00Z", 60);
    expect_offset("America/New_York", "2026-07-01T00:00:00Z", -240);
    expect_offset("Australia/Sydney", "2026-01-01T00:00:00Z", 660);
    expect_offset("Australia/Sydney", "2026-07-01T00:00:00Z", 600);
    expect_offset("Asia/Kolkata", "2026-01-01T00:00:00Z", 330);
    expect_offset("Europe/Moscow", "2012-06-01T00:00:00Z", 240);
    expect_offset("Europe/Berlin", "2345-07-01T00:00:00Z", 120); /* by the rule */
    expect_offset("Europe/Berlin", "2345-12-01T00:00:00Z", 60);
}

TEST(offsets_and_utc_are_zones_too)
{
    expect_offset("UTC", "2026-01-01T00:00:00Z", 0);
    expect_offset("Etc/UTC", "2026-01-01T00:00:00Z", 0);
    expect_offset("+05:45", "2026-01-01T00:00:00Z", 345);
    struct zone z;
    EXPECT(!zone_find(BYTES_LITERAL("Europe/Pariss"), &z));
    EXPECT(!zone_find(BYTES_LITERAL(""), &z));
    EXPECT(!zone_find(BYTES_LITERAL("../../etc/passwd"), &z));
    struct message message;
    zone_refuse(BYTES_LITERAL("Europe/Pariss"), &message);
    EXPECT_STRING(message.text, "'Europe/Pariss' is not a time zone such as UTC, +02:00 or "
                                "Europe/Paris; did you mean Europe/Paris?");
}

static void expect_wall(const char *name, const char *wall, const char *moment)
{
    struct zone z = zone(name);
    EXPECT_INT(zone_to_utc(&z, utc(wall)), utc(moment));
}

TEST(a_local_time_has_one_moment_even_if_clocks_show_it_twice_or_never)
{
    expect_wall("Europe/Paris", "2026-07-01T12:00:00Z", "2026-07-01T10:00:00Z");
    expect_wall("Europe/Paris", "2026-03-29T01:59:59Z", "2026-03-29T00:59:59Z");
    expect_wall("Europe/Paris", "2026-03-29T02:30:00Z", "2026-03-29T01:30:00Z"); /* left out */
    expect_wall("Europe/Paris", "2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z");
    expect_wall("Europe/Paris", "2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z"); /* the first */
    expect_wall("Europe/Paris", "2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z");
    expect_wall("Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T22:00:00Z"); /* no such day */
}

/* Compares every zone at many moments with the C library. */
TEST(every_zone_agrees_with_the_system)
{
    struct random_seeded random;
    random_seeded_init(&random, test_seed());
    for (size_t i = 0; i < zone_name_count; i++) {
        struct zone z = zone(zone_names[i]);
        setenv("TZ", zone_names[i], 1);
        tzset();
        for (int n = 0; n < 300; n++) {
            int64_t moment = -2000000000 + (int64_t)(random_below(&random.random, 10000000000u));
            time_t t = (time_t)moment;
            struct tm local;
            EXPECT(localtime_r(&t, &local) != NULL);
            if (zone_offset_at(&z, moment * 1000) != local.tm_gmtoff)
                test_fail(__FILE__, __LINE__, "%s at %lld: %d, the system has %ld", zone_names[i],
                          (long long)moment, zone_offset_at(&z, moment * 1000), local.tm_gmtoff);
        }
    }
}
