%% @private
%% @doc Outlives the lanes: holds the table of armed selects of each. A process with an armed select
%% waits in code of its own and monitors nobody, so when a lane is gone, however it went, the guardian
%% sends it the abort. A lane leaves its helper to the guardian, too: one that is stopped would never see that its input has
%% ended. After an end in order it has its time.
%%
%% The guardian may be killed as well, and its lanes end with it: the tables go to {@link gosocket_heir}, of which no
%% supervisor knows, and a lane that finds both gone sends the aborts itself.
-module(gosocket_guardian).

-behaviour(gen_server).

-export([start_link/0,
         starting/1,
         enroll/0,
         enroll/3,
         await_gone/1]).

%% For the heir.
-export([inherited/1]).

%% A process.
-export([kill_behind/2]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2,
         terminate/2]).

%% For lanes to end in that are told to, all of them together: one that is suspended does not.
-define(PATIENCE, 300).

%% A helper whose input has ended has long ended itself then: nobody else looks at it.
-define(LOOK, 500).

%% Looks for which the guardian waits when it ends itself, and the milliseconds between them.
-define(LAST_LOOKS, 20).
-define(LAST_LOOK, 10).

-record(lane,
        {number :: non_neg_integer() | none,
         pid :: pid(),
         os_pid :: pos_integer() | undefined,
         helper = none :: gosocket_helper:process() | none,
         born = none :: gosocket_telemetry:born() | none}).

-opaque lane() :: #lane{}.

-export_type([lane/0]).

-record(guardian,
        {heir :: pid(),
         lanes = #{} :: #{pid() => {lane(), ets:table(), Monitor :: reference()}},
         %% programs that have not said hello, by their lanes
         starting = #{} :: #{pid() => {gosocket_helper:process() | none, Monitor :: reference()}},
         %% helpers that are to end
         ending = [] :: [gosocket_helper:process()],
         %% who want to know when the aborts of a lane are sent
         waiting = [] :: [{Lane :: pid(), From :: {pid(), term()}}]}).

-type state() :: #guardian{}.
-type request() :: {enroll, non_neg_integer() | none, pos_integer() | undefined, gosocket_helper:process() | none} | {await_gone, pid()}.

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gosocket_sup:succeed(fun() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []) end).

%% @doc Called by a lane that waits for its helper's hello. It ends the program itself, whatever that is, unless it is killed.
-spec starting(gosocket_helper:process() | none) -> ok.
starting(Program) ->
    gen_server:cast(?MODULE, {starting, self(), Program}).

%% @doc Called by a lane, to which the end of the guardian will come as a `DOWN': a table for its selects.
-spec enroll(Number :: non_neg_integer(), OsPid :: pos_integer(), gosocket_helper:process() | none) -> {Guardian :: pid(), ets:table()}.
enroll(Number, OsPid, Helper) ->
    enroll({enroll, Number, OsPid, Helper}).

%% @doc Called by a process that is the lane of another node's sockets.
-spec enroll() -> {Guardian :: pid(), ets:table()}.
enroll() ->
    enroll({enroll, none, undefined, none}).

-spec enroll(request()) -> {Guardian :: pid(), ets:table()}.
enroll(Request) ->
    {Guardian, Table} = gen_server:call(?MODULE, Request, infinity),
    monitor(process, Guardian),
    {Guardian, Table}.

%% @doc Called when the lane is gone: returns when its aborts are sent.
-spec await_gone(Lane :: pid()) -> ok.
await_gone(Lane) ->
    try
        gen_server:call(?MODULE, {await_gone, Lane}, infinity)
    catch
        exit:_ -> gosocket_heir:await()
    end.

%% What an earlier guardian has left is done first.
-spec init([]) -> {ok, state()}.
init([]) ->
    process_flag(trap_exit, true),
    %% when the supervisor is killed, the application's master kills all that it is group leader of
    group_leader(whereis(init), self()),
    Heir = gosocket_heir:start(),
    monitor(process, Heir),
    {ok, #guardian{heir = Heir}}.

-spec handle_call(request(), {pid(), term()}, state()) ->
          {reply, {pid(), ets:table()} | ok, state()} | {noreply, state()}.
handle_call({enroll, Number, OsPid, Helper}, {Pid, _Tag}, Guardian) ->
    #guardian{heir = Heir, lanes = Lanes} = Started = started(Pid, Guardian),
    Lane = born(#lane{number = Number, pid = Pid, os_pid = OsPid, helper = Helper}),
    Table = gosocket_selects:new_table({heir, Heir, Lane}),
    {reply, {self(), Table}, Started#guardian{lanes = Lanes#{Pid => {Lane, Table, monitor(process, Pid)}}}};
handle_call({await_gone, Pid}, From, #guardian{lanes = Lanes, waiting = Waiting} = Guardian) ->
    case Lanes of
        #{Pid := _} -> {noreply, Guardian#guardian{waiting = [{Pid, From} | Waiting]}};
        _ -> {reply, ok, Guardian}
    end.

-spec started(Lane :: pid(), state()) -> state().
started(Pid, #guardian{starting = Starting} = Guardian) ->
    case maps:take(Pid, Starting) of
        {{_, Monitor}, Others} ->
            demonitor(Monitor, [flush]),
            Guardian#guardian{starting = Others};
        error ->
            Guardian
    end.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast({starting, Pid, Program}, #guardian{starting = Starting} = Guardian) ->
    {noreply, Guardian#guardian{starting = Starting#{Pid => {Program, monitor(process, Pid)}}}};
handle_cast(_Request, Guardian) ->
    {noreply, Guardian}.

-spec handle_info(term(), state()) -> {noreply, state()} | {stop, {shutdown, no_heir}, state()}.
handle_info({'DOWN', _, process, Heir, _}, #guardian{heir = Heir} = Guardian) ->
    {stop, {shutdown, no_heir}, Guardian};
handle_info({'DOWN', _, process, Pid, _}, #guardian{starting = Starting} = Guardian) when is_map_key(Pid, Starting) ->
    {{Program, _}, Others} = maps:take(Pid, Starting),
    spawn(gosocket_helper, kill, [Program]),
    {noreply, Guardian#guardian{starting = Others}};
handle_info({'DOWN', _, process, Pid, Reason}, #guardian{lanes = Lanes, waiting = Waiting, ending = Ending} = Guardian) ->
    {{Lane, Table, _}, Others} = maps:take(Pid, Lanes),
    Helpers = gone(Lane, Table, Reason),
    lists:foreach(fun(Helper) -> erlang:send_after(?LOOK, self(), {look, Helper}) end, Helpers),
    {Answered, Rest} = lists:partition(fun({Awaited, _}) -> Awaited =:= Pid end, Waiting),
    lists:foreach(fun({_, From}) -> gen_server:reply(From, ok) end, Answered),
    {noreply, Guardian#guardian{lanes = Others, waiting = Rest, ending = Helpers ++ Ending}};
handle_info({look, Helper}, #guardian{ending = Ending} = Guardian) ->
    see_off([Helper]),
    {noreply, Guardian#guardian{ending = lists:delete(Helper, Ending)}};
handle_info(_Other, Guardian) ->
    {noreply, Guardian}.

%% In order the lanes have ended before, and those of a killed supervisor end by themselves. They are told by a message, not by an exit:
%% where the heir is gone, and the guardian is killed while it waits for them here, nobody is left to send the aborts but they.
-spec terminate(term(), state()) -> ok.
terminate(_Reason, #guardian{starting = Starting, lanes = Lanes, ending = Ending}) ->
    lists:foreach(fun({Pid, {Program, _}}) -> spawn(?MODULE, kill_behind, [Pid, Program]) end, maps:to_list(Starting)),
    lists:foreach(fun(Pid) -> Pid ! {unguarded, self()} end, maps:keys(Lanes)),
    see_off(left(?LAST_LOOKS, Ending ++ end_lanes(maps:values(Lanes)))).

%% @doc The heir has got the tables: their guardian was killed, and the lanes are about to end.
-spec inherited([{lane(), ets:table()}]) -> ok.
inherited(Tables) ->
    see_off(end_lanes([{Lane, Table, monitor(process, Pid)} || {#lane{pid = Pid} = Lane, Table} <- Tables])).

-spec end_lanes([{lane(), ets:table(), Monitor :: reference()}]) -> [gosocket_helper:process()].
end_lanes(Lanes) ->
    Deadline = erlang:monotonic_time(millisecond) + ?PATIENCE,
    lists:append([end_lane(Lane, Deadline) || Lane <- Lanes]).

-spec end_lane({lane(), ets:table(), Monitor :: reference()}, Deadline :: integer()) -> [gosocket_helper:process()].
end_lane({#lane{pid = Pid} = Lane, Table, Monitor}, Deadline) ->
    receive
        {'DOWN', Monitor, process, Pid, Reason} -> gone(Lane, Table, Reason)
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        exit(Pid, kill),
        receive
            {'DOWN', Monitor, process, Pid, Reason} -> gone(Lane, Table, Reason)
        end
    end.

%% The lane ends, too, and would tell of the end of its program.
-spec kill_behind(Lane :: pid(), gosocket_helper:process() | none) -> ok.
kill_behind(Pid, Program) ->
    Monitor = monitor(process, Pid),
    receive
        {'DOWN', Monitor, process, Pid, _} -> gosocket_helper:kill(Program)
    end.

%% Those that are there still.
-spec left(Looks :: non_neg_integer(), [gosocket_helper:process()]) -> [gosocket_helper:process()].
left(Looks, Helpers) ->
    case [Helper || Helper <- Helpers, gosocket_helper:is_there(Helper)] of
        [_ | _] = Left when Looks > 0 ->
            receive after ?LAST_LOOK -> left(Looks - 1, Left) end;
        Left ->
            Left
    end.

%% In a process that outlives the application.
-spec see_off([gosocket_helper:process()]) -> ok.
see_off(Helpers) ->
    lists:foreach(fun(Helper) -> spawn(gosocket_helper, see_off, [Helper]) end, left(0, Helpers)).

%% Killing the helper takes a while: aborts of others must not wait for it. One that is to end by itself is returned.
-spec gone(lane(), ets:table(), Reason :: term()) -> [gosocket_helper:process()].
gone(#lane{number = Number, pid = Pid, os_pid = OsPid, helper = Helper, born = Born}, Table, Reason) ->
    _ = is_integer(Number) andalso gosocket_door:close(Number, Pid),
    gosocket_selects:abort_rest(Table),
    IsOrderly = is_orderly(Reason),
    _ = IsOrderly orelse spawn(gosocket_helper, kill, [Helper]),
    _ = is_integer(Number) andalso gosocket_telemetry:stopped(Pid, OsPid, Born, Reason),
    [Helper || IsOrderly, Helper =/= none].

-spec born(lane()) -> lane().
born(#lane{number = none} = Lane) -> Lane;
born(#lane{number = Number, pid = Pid, os_pid = OsPid} = Lane) -> Lane#lane{born = gosocket_telemetry:started(Number, Pid, OsPid)}.

-spec is_orderly(Reason :: term()) -> boolean().
is_orderly(shutdown) -> true;
is_orderly({shutdown, _}) -> true;
is_orderly(_) -> false.
