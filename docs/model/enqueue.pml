/* Enqueue with unknown outcome: the request may be lost, or its answer, or both may be late. Who does not know asks again, and
 * gives up after a while. What was confirmed is there, and nothing is there twice.
 */

#define TRIES  3

byte stored[TRIES + 1];      /* how many rows there are under each id; the first id is 1 */
byte total = 0;

mtype = { UNKNOWN, CONFIRMED };
mtype known = UNKNOWN;
byte id = 0;

#if defined(NEW_ID)          /* made by the database, or by each try */
#define CHOOSE  id++
#else
#define CHOOSE  id = 1
#endif

#if defined(DUPLICATES)      /* the insert does not look whether the id is there */
#define IS_NEW  true
#else
#define IS_NEW  (stored[id] == 0)
#endif

active proctype Client() {
    byte tries = 0;
    bool arrived;
    do
    :: tries < TRIES && known == UNKNOWN ->
        tries++;
        CHOOSE;
        if
        :: arrived = false                                        /* the request is lost */
        :: atomic { if :: IS_NEW -> stored[id]++; total++ :: else fi }; arrived = true
        fi;
        if
#if defined(HOPE)            /* an error after the request was sent is taken for success */
        :: known = CONFIRMED
#else
        :: arrived -> known = CONFIRMED
#endif
        :: skip                                                   /* the answer is lost */
        fi
    :: tries == TRIES || known == CONFIRMED -> break
    od;
    assert(known != CONFIRMED || stored[id] > 0);                 /* what was confirmed is there */
    assert(total <= 1)                                            /* and nothing is there twice */
}
