/* A recurring job under two masters: each looks what is due, decides, and writes later. Each time makes one job, and no time
 * is left out.
 */

#define TIMES    3
#define CRASHES  2

/* the row of the recurring job */
byte next = 0;
byte version = 0;

/* the table of runs: a primary key over the recurring job and the time */
bool noted[TIMES + 1];

byte made[TIMES + 1];        /* how many jobs there are for each time */
byte crashes = 0;

#if defined(NO_VERSION)
#define UNCHANGED  true
#else
#define UNCHANGED  (version == seen_version)
#endif

#if defined(NO_KEY)
#define IS_FREE  true
#else
#define IS_FREE  (!noted[seen])
#endif

inline fire() {
    atomic {
        if
        :: UNCHANGED ->
            if :: IS_FREE -> noted[seen] = true; made[seen]++ :: else fi;
            assert(made[seen] == 1);              /* no time makes two jobs */
            next = seen + 1; version++
        :: else
        fi
    }
}

active [2] proctype Master() {
    byte seen, seen_version;
    do
    :: next == TIMES -> break
    :: atomic { next < TIMES -> seen = next; seen_version = version };
        if
        :: fire(); if :: fire() :: skip fi        /* the answer may be lost: then it is sent again */
        :: atomic { crashes < CRASHES -> crashes++ }
        fi
    od;
    atomic {
        byte time;
        for (time : 0 .. TIMES - 1) { assert(made[time] == 1) }   /* and none is left out */
    }
}
