/*
 * src/rwlock.ts and src/rwlock-entries.ts: KRwlock. A reader, a writer, a writer with a deadline and a callback that wants to write or to read.
 * With -DDOWNGRADE the writer becomes a reader, and the writer again if it can; with -DCALLBACK_READS the callback reads.
 *
 * Checked: a writer is alone; who may not give up gets the lock (else spin reports an invalid end state).
 */
#define PROCESSES 4
#define PLACES 3
#define READERS 0
#define WRITERS 1
#define CALLBACKS 2
#ifndef SPURIOUS
#define SPURIOUS 1
#endif
#include "parking.inc"

#define WRITING 9               /* the word STATE when there is a writer; else the number of readers */

byte state;
byte writers_waiting;
byte reading, writing;

inline read_section()
{
	atomic { reading++; assert(writing == 0) }
	reading--
}

inline write_section()
{
	atomic { writing++; assert(writing == 1 && reading == 0) }
	writing--
}

/* ReaderEntry.attempt() */
inline attempt_to_read(got)
{
	do
	:: atomic { state == WRITING -> got = false; break }                    /* [rwlock:read-look] */
	:: atomic { state != WRITING -> seen = state };                         /* [rwlock:read-look] */
		if
		:: atomic { seen > 0 && writers_waiting > 0 -> got = false; seen = 0; break }   /* [rwlock:read-prefer] */
		:: atomic { seen == 0 || writers_waiting == 0 }                 /* [rwlock:read-prefer] */
		fi;
		if
		:: atomic { state == seen -> state++; got = true; seen = 0; break }     /* [rwlock:read] */
		:: atomic { state != seen -> seen = 0 }                         /* [rwlock:read] */
		fi
	od
}

/* WriterEntry.attempt() */
inline attempt_to_write(got)
{
	atomic {                                                /* [rwlock:write] */
		if
		:: state == 0 -> state = WRITING; got = true
		:: else -> got = false
		fi
	}
}

/* KRwlock.#wake() */
inline wake()
{
	park_wake_all(CALLBACKS);
	park_wake_one(WRITERS, woken);
	if
	:: woken -> woken = false
	:: else -> park_wake_all(READERS)
	fi
}

inline exit_reader()
{
	if
	:: atomic { state == 1 -> state = 0 }; wake()           /* [rwlock:read-exit] */
	:: atomic { state > 1 -> state-- }                      /* [rwlock:read-exit] */
	fi
}

inline exit_writer()
{
	state = 0;                                              /* [rwlock:write-exit] */
	wake()
}

/* WriterEntry.abandon() */
inline abandon()
{
	if
	:: atomic { writers_waiting == 1 -> writers_waiting = 0 };      /* [rwlock:writer-gives-up] */
		park_wake_all(READERS);
		park_wake_all(CALLBACKS)
	:: atomic { writers_waiting > 1 -> writers_waiting-- }          /* [rwlock:writer-gives-up] */
	fi
}

proctype Reader(byte me)
{
	byte seen, expected;
	bool got, woken, expired;

	attempt_to_read(got);
	if
	:: got -> goto entered
	:: else
	fi;
	park_enter(READERS);
	do
	:: park_sequence(READERS, expected);
		attempt_to_read(got);
		if
		:: got -> expected = 0; break
		:: else
		fi;
		park_sleep(READERS, me, expected, false, expired)
	od;
	park_leave(READERS);
entered:
	read_section();
	exit_reader()
}

proctype Writer(byte me; bool timed)
{
	byte expected, seen;
	bool got, woken, expired;

	attempt_to_write(got);
	if
	:: got -> goto entered
	:: else
	fi;
	writers_waiting++;                                      /* [rwlock:writer-joins] */
	park_enter(WRITERS);
	do
	:: park_sequence(WRITERS, expected);
		attempt_to_write(got);
		if
		:: got -> expected = 0; break
		:: !got && timed -> expected = 0; break         /* the deadline, which may be now */
		:: !got
		fi;
		park_sleep(WRITERS, me, expected, timed, expired)
	od;
	park_leave(WRITERS);
	if
	:: got -> writers_waiting--                             /* [rwlock:writer-leaves] */
	:: else -> abandon(); goto gone
	fi;
entered:
	write_section();
#ifdef DOWNGRADE
	if
	:: timed -> goto leave
	:: else
	fi;
	state = 1;                                              /* [rwlock:downgrade] */
	park_wake_all(CALLBACKS);
	if
	:: atomic { writers_waiting == 0 }; park_wake_all(READERS)      /* [rwlock:downgrade-look] */
	:: atomic { writers_waiting > 0 }                       /* [rwlock:downgrade-look] */
	fi;
	read_section();
	if
	:: atomic { state == 1 -> state = WRITING }; write_section()    /* [rwlock:upgrade] */
	:: atomic { state != 1 }; exit_reader(); goto gone      /* [rwlock:upgrade] */
	fi;
leave:
#endif
	exit_writer();
gone:
	skip
}

proctype Callback(byte me)
{
	byte seen, expected;
	bool got, woken, expired, counted;

	park_enter(CALLBACKS);
	do
	:: park_sequence(CALLBACKS, expected);
#ifdef CALLBACK_READS
		attempt_to_read(got);
#else
		attempt_to_write(got);
#endif
		if
		:: got -> expected = 0; break
		:: else
		fi;
#ifndef CALLBACK_READS
		if
		:: counted
		:: else -> counted = true; writers_waiting++    /* [rwlock:writer-joins] */
		fi;
#endif
		park_sleep(CALLBACKS, me, expected, false, expired)
	od;
	if
	:: counted -> counted = false; writers_waiting--        /* [rwlock:writer-leaves] */
	:: else
	fi;
#ifdef CALLBACK_READS
	read_section();
	exit_reader();
#else
	write_section();
	exit_writer();
#endif
	park_leave(CALLBACKS)
}

init {
	atomic {
		run Reader(0);
		run Writer(1, false);
		run Writer(2, true);
		run Callback(3)
	}
}
