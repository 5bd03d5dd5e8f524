%% What callers know of a lane: the value of the persistent term {gosocket_lane, Number}.
-record(gosocket_lane,
        {pid :: pid(),
         %% of this run of the lane; handles of other runs are closed
         incarnation :: pos_integer(),
         %% bytes of payload that go with the first frame of a send
         window :: pos_integer(),
         %% rounds a caller polls for the answer of a call that never waits
         spin :: non_neg_integer(),
         %% of gosocket_wait, while nobody is to enter that
         loading = none :: none | gosocket_reload:loading(),
         %% whether os:perf_counter/1 is the helper's clock
         clock :: shared | apart,
         %% word 1 is 1 while so few processes call that spinning pays, word 2 when the helper is to see all calls
         flags :: atomics:atomics_ref(),
         settings :: gosocket_setting:table()}).

-define(LANE(Number), {gosocket_lane, Number}).
-define(DEFAULT_LANE, 0).

%% Of the messages between two nodes: docs/architecture.md.
-define(SESSION_VERSION, 2).

%% Bytes of frames that are matched without making a term: the head of a final answer {Id, Result},
%% the result ok, and the head of the result {ok, _}.
-define(ANSWER(Id), 131, 104, 2, 98, Id:32).
-define(OK, 119, 2, "ok").
-define(OK_HEAD, 104, 2, ?OK).
