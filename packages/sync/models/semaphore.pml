/*
 * src/semaphore.ts: KSemaphore. Threads that block, one with a deadline and one that waits by callback take units; another posts them.
 *
 * Checked: no unit is taken twice or lost; who may not give up gets one (else spin reports an invalid end state).
 */
#define PROCESSES 4
#define PLACES 2
#define THREADS 0
#define CALLBACKS 1
#ifndef SPURIOUS
#define SPURIOUS 1
#endif
#include "parking.inc"

#define UNITS 3

byte count;
byte taken;
byte ended;

/* Unit.attempt() */
inline attempt(got)
{
	do
	:: units = count;                               /* [semaphore:take-look] */
		if
		:: units == 0 -> got = false; break
		:: else
		fi;
		atomic {                                /* [semaphore:take] */
			if
			:: count == units -> count--; taken++; got = true
			:: else -> got = false
			fi
		}
		if
		:: got -> break
		:: else
		fi
	od
}

/* src/blocking.ts, blockUntilTaken() */
proctype Taker(byte me; bool timed)
{
	byte units, expected;
	bool got, expired;

	attempt(got);
	if
	:: got -> goto done
	:: else
	fi;
	park_enter(THREADS);
	do
	:: park_sequence(THREADS, expected);
		attempt(got);
		if
		:: got -> break
		:: !got && timed -> break               /* the deadline, which may be now */
		:: !got
		fi;
		park_sleep(THREADS, me, expected, timed, expired)
	od;
	park_leave(THREADS);
done:
	ended++
}

proctype Caller(byte me)
{
	byte units, expected;
	bool got, expired;

	park_enter(CALLBACKS);
	do
	:: park_sequence(CALLBACKS, expected);
		attempt(got);
		if
		:: got -> break
		:: else
		fi;
		park_sleep(CALLBACKS, me, expected, false, expired)
	od;
	park_leave(CALLBACKS);
	ended++
}

proctype Poster(byte me)
{
	byte units, posted, amount;
	bool woken, done;

	do
	:: posted == UNITS -> break
	:: else ->
		amount = (posted == 0 -> 2 : 1);
		do
		:: units = count;                       /* [semaphore:post-look] */
			atomic {                        /* [semaphore:post] */
				if
				:: count == units -> count = count + amount; done = true
				:: else -> done = false
				fi
			}
			if
			:: done -> break
			:: else
			fi
		od;
		posted = posted + amount;
		if
		:: waiters[THREADS] == 0                /* [parking:wake-look] */
		:: else ->
			sequence[THREADS]++;            /* [parking:wake-sequence] */
			atomic {                        /* [parking:wake-notify] */
				notify_one(THREADS, woken);
				if
				:: amount == 2 -> notify_one(THREADS, woken)
				:: else
				fi
			}
		fi;
		park_wake_all(CALLBACKS)
	od;
	ended++
}

init {
	atomic {
		run Taker(0, false);
		run Taker(1, true);
		run Caller(2);
		run Poster(3)
	}
	ended == 4;
	assert(taken + count == UNITS)
}
