/* SPDX-License-Identifier: Apache-2.0 */
/* support/scene.h -- customer data to ask questions of: a playbook as text, events and
 * links as calls.
 *
 *   scene_init(&scene, "goals: …");
 *   scene_event(&scene, ANN, "Order Completed", DAY(3), "order_id='o1' revenue=12.50USD");
 *   scene_link(&scene, COOKIE, ANN, DAY(5));      known since day 5
 *
 * Personas are small numbers chosen by the test, and a persona is its own customer until it is
 * linked. Every call that fails ends the test. */
#ifndef SUPPORT_SCENE_H
#define SUPPORT_SCENE_H

#include "event/memory_source.h"
#include "profile/profile.h"

#define SCENE_START_MS        INT64_C(1483228800000) /* 2017-01-01T00:00:00Z */
#define DAY(n)                (SCENE_START_MS + (int64_t)((n) * (double)TIME_DAY_MS))
#define SCENE_LINKS_MAX       4096
#define SCENE_NAMES_MAX       600
#define SCENE_VERSIONS_MAX    64
#define SCENE_IDENTIFIERS_MAX 64

struct scene_link {
    uint32_t persona, customer;
    int64_t known_ms;
    uint64_t position;
};
struct scene_version {
    uint32_t lookup;
    int64_t known_ms;
    struct lookup_table *table;
};
struct scene_name {
    char name[64];
    uint32_t persona;
};

struct scene_identifier {
    char value[64];
    uint32_t type;
};
struct scene_bearer {
    uint32_t persona, identifier;
};

struct scene {
    struct customer_directory directory; /* first: the directory's ops get a pointer to it */
    struct symbols *symbols;
    struct playbook *playbook;
    struct memory_source *source;
    struct packed_writer writer;
    struct event_batch batch;
    /* Of lookups, by their index in the playbook. */
    struct scene_version versions[SCENE_VERSIONS_MAX];
    uint32_t version_count;
    struct scene_link links[SCENE_LINKS_MAX];
    uint32_t link_count, persona_count;
    uint64_t event_count;
    uint64_t replaces; /* of the next event */
    struct scene_name names[SCENE_NAMES_MAX];
    uint32_t name_count;
    struct scene_identifier identifiers[SCENE_IDENTIFIERS_MAX];
    uint32_t identifier_count;
    struct scene_bearer bearers[SCENE_IDENTIFIERS_MAX];
    uint32_t bearer_count;
    struct customer_data data;
};

/* `playbook`: YAML behind "attune: 1", name, currency USD and, where it says none, zone UTC. */
void scene_init(struct scene *scene, const char *playbook);
void scene_release(struct scene *scene);

/* `properties`: "name=value" apart by spaces; 'text', 12, 12.50USD, yes, no, and [p1:3,p2:1] for a
 * list of records of a product_id and a quantity. The channel is "web",
 * or "CHANNEL:" before the event. */
void scene_event(struct scene *scene, uint32_t persona, const char *event, int64_t time_ms,
                 const char *properties);
void scene_event_known(struct scene *scene, uint32_t persona, const char *event, int64_t time_ms,
                       int64_t known_ms, const char *properties);
/* A Decision Made as the engine writes it, for one message; `withheld`: of a holdout customer. */
void scene_decision(struct scene *scene, uint32_t persona, int64_t time_ms, int64_t known_ms,
                    const char *id, const char *treatment, const char *channel, bool withheld);
/* The same for any number of messages, "letter@mail offer@email" as TREATMENT@CHANNEL, with further
 * properties as scene_event has them: "holdout='out' salt='s1' playbook='p1'". */
void scene_decided(struct scene *scene, uint32_t persona, int64_t time_ms, int64_t known_ms,
                   const char *properties, const char *messages);
/* The same with an arm of an experiment. */
void scene_sit(struct scene *scene, uint32_t persona, int64_t time_ms, const char *properties,
               const char *experiment, const char *arm, const char *salt, const char *messages);
/* The event of that number (the first is 0, which can't be corrected) is superseded by this version
 * from known_ms on. */
void scene_correct(struct scene *scene, uint64_t number, uint32_t persona, const char *event,
                   int64_t time_ms, int64_t known_ms, const char *properties);
/* From known_ms on the persona is one of that customer's. */
void scene_link(struct scene *scene, uint32_t persona, uint32_t customer, int64_t known_ms);
/* The identifier "type:value" points at this persona. */
void scene_name(struct scene *scene, const char *name, uint32_t persona);
/* The persona is made of these: "crm:1 email:ann@a.example". */
void scene_identify(struct scene *scene, uint32_t persona, const char *identifiers);
/* Rows of a lookup, cells apart by '|' and rows by '\n', in the order of the playbook's fields;
 * treatments are made anew. */
void scene_lookup(struct scene *scene, const char *lookup, const char *rows);
/* A further version, known from then on; later ones last. */
void scene_lookup_known(struct scene *scene, const char *lookup, int64_t known_ms,
                        const char *rows);
/* For playbooks without lookups: the treatments of its actions. */
void scene_treatments(struct scene *scene);
const struct treatment_set *scene_treatments_at(const struct scene *scene, int64_t t_ms);

/* The goal, action or trait of that name, or the newest treatment; fails the test where there is
 * none. */
const struct goal *scene_goal(const struct scene *scene, const char *name);
uint32_t scene_trait(const struct scene *scene, const char *name);
const struct treatment *scene_treatment(const struct scene *scene, const char *key);

/* A scene for each test of a program, and the timeline that the test read last. */
struct scene_trial {
    struct scene scene;
    struct profile *profile;
    struct timeline_reader *reader; /* NULL: nothing was read yet */
    struct timeline timeline;
};
/* cmocka's set-up, with the playbook of scene_init; and its tear-down. *state: the trial. */
int scene_trial_set_up(void **state, const char *playbook);
int scene_trial_tear_down(void **state);
/* Reads the customer's timeline as of t_ms; `all_times`: all rows, to be judged one by one. */
void scene_trial_read(struct scene_trial *trial, uint32_t customer, int64_t t_ms, bool all_times);

#endif
