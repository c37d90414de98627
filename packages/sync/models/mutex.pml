/*
 * src/mutex.ts: KMutex, taken by blocking, with a deadline and by callback. The robust mode is explored in the code itself only.
 *
 * Checked: one owner at a time; every process that may not give up gets the mutex (else spin reports an invalid end state).
 */
#define PROCESSES 4
#define PLACES 1
#define CALLBACK_PARKING 0
#ifndef SPURIOUS
#define SPURIOUS 1
#endif
#include "parking.inc"

#define OWNER 7
#define SLEEPERS 8
#define CALLBACKS 16

byte lock;                      /* the word LOCK */
bool asleep[PROCESSES];         /* on the word LOCK */
byte inside;

inline critical_section()
{
	atomic { inside++; assert(inside == 1) }
	inside--
}

inline exit_mutex()
{
	if
	:: atomic { lock == me + 1 -> lock = 0 }                /* [mutex:exit] */
	:: atomic { lock != me + 1 };                           /* [mutex:exit] */
		atomic { before = lock; lock = 0 }              /* [mutex:free] */
		atomic {                                        /* [mutex:wake-sleeper] */
			if
			:: (before & SLEEPERS) && asleep[0] -> asleep[0] = false
			:: (before & SLEEPERS) && asleep[1] -> asleep[1] = false
			:: (before & SLEEPERS) && asleep[2] -> asleep[2] = false
			:: else
			fi;
			before = before & CALLBACKS
		}
		if
		:: before != 0 -> before = 0; park_wake_all(CALLBACK_PARKING)
		:: else
		fi
	fi
}

proctype Thread(byte me; byte rounds; bool timed)
{
	byte state, mark, before;

	do
	:: rounds == 0 -> break
	:: else ->
		rounds--;
		atomic {                                        /* [mutex:enter] [mutex:try] */
			if
			:: lock == 0 -> lock = me + 1; goto entered
			:: else
			fi
		}
again:
		atomic {                                        /* [mutex:slow-look] */
			state = lock;
			if
			:: (state & OWNER) == 0
			:: (state & OWNER) != 0 && (state & SLEEPERS) -> goto marked
			:: else -> goto unmarked
			fi
		}
		atomic {                                        /* [mutex:take] */
			if
			:: lock == state -> lock = state | (me + 1) | mark; state = 0; mark = 0; goto entered
			:: else -> state = 0; goto again
			fi
		}
unmarked:
		atomic {                                        /* [mutex:slow-mark] */
			if
			:: lock == state -> lock = state | SLEEPERS; state = state | SLEEPERS
			:: else -> state = 0; goto again
			fi
		}
marked:
		atomic {                                        /* [mutex:slow-sleep] */
			mark = SLEEPERS;
			if
			:: timed -> state = 0; mark = 0; goto left      /* the deadline, which may be now */
			:: lock == state -> state = 0; asleep[me] = true
			:: lock != state -> state = 0; goto again
			fi
		}
		atomic {
			if
			:: !asleep[me]
			:: asleep[me] && timed -> asleep[me] = false
			:: asleep[me] && spurious > 0 -> spurious--; asleep[me] = false
			fi;
			goto again
		}
entered:
		critical_section();
		exit_mutex();
left:
		skip
	od
}

/* The event loop of a thread with a callback that waits; src/callback-queue.ts, serve(). */
proctype Callback(byte me; byte rounds)
{
	byte state, before, expected;
	bool expired;

	do
	:: rounds == 0 -> break
	:: else ->
		rounds--;
		park_enter(CALLBACK_PARKING);
again:
		park_sequence(CALLBACK_PARKING, expected);
look:
		atomic {                                        /* [mutex:callback-look] */
			state = lock;
			if
			:: (state & OWNER) == 0
			:: else -> goto busy
			fi
		}
		atomic {                                        /* [mutex:take] */
			if
			:: lock == state -> lock = state | (me + 1); state = 0; expected = 0; goto entered
			:: else -> state = 0; goto look
			fi
		}
busy:
		atomic {                                        /* [mutex:callback-mark] */
			if
			:: lock == state -> lock = state | CALLBACKS; state = 0
			:: else -> state = 0; goto look
			fi
		}
		park_sleep(CALLBACK_PARKING, me, expected, false, expired);
		goto again;
entered:
		critical_section();
		exit_mutex();
		park_leave(CALLBACK_PARKING)
	od
}

init {
	atomic {
		run Thread(0, 2, false);
		run Thread(1, 1, false);
		run Thread(2, 1, true);
		run Callback(3, 1)
	}
}
