%% What callers know of a lane. Replacing or erasing a persistent term has the VM look through the memory of every process, unless
%% what stood there is an immediate. So what changes with the life of a lane is one, and the rest stays.

%% The lane's pid while it runs, `{loading, Lane, Loading}' while nobody is to enter gosocket_wait, and `none'.
-define(LANE(Number), {gosocket_lane, Number}).

%% The pid again, or `none': gosocket_door:key/1.

%% This record, of all runs of the lane: words that the lane sets before its pid is there, and copies of options.
-define(KNOWN(Number), {gosocket_lane_known, Number}).
-record(gosocket_lane,
        {words :: atomics:atomics_ref(),
         settings :: gosocket_setting:table()}).

%% 1 while so few processes call that spinning pays, and when the helper is to see all calls
-define(QUIET_WORD, 1).
-define(NO_COPIES_WORD, 2).
%% of this run of the lane; handles of other runs are closed
-define(INCARNATION_WORD, 3).
%% bytes of payload that go with the first frame of a send
-define(WINDOW_WORD, 4).
%% rounds a caller polls for the answer of a call that never waits
-define(SPIN_WORD, 5).
%% 1 when os:perf_counter/1 is not the helper's clock
-define(APART_WORD, 6).
-define(LANE_WORDS, 6).

%% The time-outs and lengths that calls may have.
-define(IS_TIMEOUT(T), (T =:= infinity orelse T =:= nowait orelse is_integer(T) andalso T >= 0)).
-define(IS_LENGTH(N), (is_integer(N) andalso N >= 0 andalso N < 1 bsl 64)).

%% Of the messages between two nodes: docs/architecture.md.
-define(SESSION_VERSION, 2).

%% Bytes of frames that are matched without making a term: the head of a final answer {Id, Result},
%% the result ok, and the head of the result {ok, _}.
-define(ANSWER(Id), 131, 104, 2, 98, Id:32).
-define(OK, 119, 2, "ok").
-define(OK_HEAD, 104, 2, ?OK).
