/* Who owns a job: claim, heartbeat, rescue, outcome and hand-back, with servers that crash, pause and come back, masters that
 * overtake each other, and writes that are sent again because their answer was lost.
 *
 * A server is a process that may stop between any two steps for any time: that is the pause. Every server is a master, too,
 * at any time: electing one makes less happen, not more. What is in an atomic block is one transaction of the database.
 *
 * What is named ghost_ is no part of the protocol. It says what is true, and assertions compare.
 */

#define SERVERS   2
#define CRASHES   1     /* of processes */
#define REMOVALS  2     /* of servers that seem dead and may be well */
#define GIVEN     1     /* how often a job is handed back, or fails and is enqueued again in the same write */
#define NOBODY    15

mtype = { ENQUEUED, PROCESSING, SUCCEEDED };

/* the row of the job */
mtype state = ENQUEUED;
byte token = 0;              /* under which claim it is held; 0 for none */
byte owner = NOBODY;         /* under which id its server is registered */

/* the table of servers; an id is for one registration and never given out again */
bool registered[16];
byte ids = 0;

byte tokens = 0, crashes = 0, removals = 0, given = 0;

byte ghost_holder = 0;       /* the claim that holds the job in truth */
bool ghost_gone[16];         /* whose process is gone */

#if defined(NO_TOKEN)
#define HELD  (state == PROCESSING)
#elif defined(NO_OWNER)
#define HELD  (state != SUCCEEDED)
#else
#define HELD  (state == PROCESSING && token == mine)
#endif

#if defined(RESCUE_BY_STATE)
#define AS_SEEN  (state == PROCESSING)
#else
#define AS_SEEN  (state == PROCESSING && token == seen)
#endif

#if defined(SAME_ID)         /* as a host name, or a name that somebody chose */
#define NEW_ID  if :: me == NOBODY -> me = ids; ids++ :: else fi
#else
#define NEW_ID  me = ids; ids++
#endif

inline join() {
    NEW_ID;
    assert(ids < NOBODY);
    registered[me] = true;
    ghost_gone[me] = false;
    if :: unanswered -> unanswered = false; mine = 0 :: else fi
}

inline succeed() {
    atomic {
        if
        :: HELD ->
            assert(ghost_holder == mine);         /* only the owner records */
            state = SUCCEEDED; token = mine; ghost_holder = 0
        :: else                                   /* refused, or written before and recognised by its token */
        fi
    }
}

active [SERVERS] proctype Server() {
    byte me = NOBODY, mine = 0, seen = 0, who;
    bool unanswered = false;

    atomic { join() };
    do
    :: state == SUCCEEDED && mine == 0 -> break

    /* Heartbeat. Who was taken for dead joins anew. What runs here goes on for a while, and will try to write. */
    :: atomic { !registered[me] -> join() }

    /* Claim. The answer may be lost; then the server asks what became of it, by the token that it had made. */
    :: atomic { mine == 0 && state == ENQUEUED && registered[me] ->
            tokens++; mine = tokens;
            state = PROCESSING; token = mine; owner = me; ghost_holder = mine;
            if :: unanswered = true :: unanswered = false fi }
    :: atomic { unanswered ->
            unanswered = false;
            if :: state == PROCESSING && token == mine && owner == me :: else -> mine = 0 fi }

    /* A log line, progress, metadata. */
    :: atomic { mine != 0 && !unanswered && HELD -> assert(ghost_holder == mine) }

    /* The run succeeds. Its outcome may be written twice. */
    :: mine != 0 && !unanswered -> succeed(); if :: succeed() :: skip fi; mine = 0

    /* It is handed back, or fails and is enqueued again. */
    :: atomic { mine != 0 && !unanswered && given < GIVEN ->
            given++;
            if
            :: HELD -> assert(ghost_holder == mine); state = ENQUEUED; ghost_holder = 0
            :: else
            fi;
            mine = 0 }

    /* The process dies, and another one takes its place. */
    :: atomic { crashes < CRASHES ->
            crashes++; ghost_gone[me] = true; mine = 0; seen = 0; unanswered = false; join() }

    /* As a master: remove who seems to be dead. It may be one that only pauses. */
    :: atomic { removals < REMOVALS ->
            removals++; select(who : 0 .. ids - 1); registered[who] = false; who = 0 }
    /* Who is dead in truth is noticed, some time. */
    :: atomic { state == PROCESSING && registered[owner] && ghost_gone[owner] -> registered[owner] = false }

#if !defined(NO_RESCUE)
    /* As a master: look for jobs whose server is not registered; later, enqueue what was seen, if it still is so. */
    :: atomic { seen == 0 && state == PROCESSING && !registered[owner] -> seen = token }
    :: atomic { seen != 0 ->
            if
            :: AS_SEEN ->
                assert(!registered[owner]);       /* nobody takes a job from a server that is there */
                state = ENQUEUED; token = 0; ghost_holder = 0
            :: else
            fi;
            seen = 0 }
#endif
    od
}
