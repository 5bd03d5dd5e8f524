%% @private
%% @doc Outlives the lanes: holds the table of armed selects of each. A process with an armed select
%% waits in code of its own and monitors nobody, so when a lane is gone, however it went, the guardian
%% sends it the abort.
-module(gosocket_guardian).

-behaviour(gen_server).

-export([start_link/0,
         enroll/1]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2,
         terminate/2]).

-include("gosocket.hrl").

-type lane() :: {Number :: non_neg_integer(), pid(), ets:table()}.
-type state() :: #{Monitor :: reference() => lane()}.

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Called by a lane: a table for its selects, rows `{Ref, Pid, Slot, Socket}'.
-spec enroll(Number :: non_neg_integer()) -> ets:table().
enroll(Number) ->
    gen_server:call(?MODULE, {enroll, Number}, infinity).

-spec init([]) -> {ok, state()}.
init([]) ->
    %% so that terminate/2 runs
    process_flag(trap_exit, true),
    {ok, #{}}.

-spec handle_call({enroll, non_neg_integer()}, gen_server:from(), state()) ->
          {reply, ets:table(), state()}.
handle_call({enroll, Number}, {Lane, _Tag}, Lanes) ->
    Table = ets:new(gosocket_selects, [public]),
    {reply, Table, Lanes#{monitor(process, Lane) => {Number, Lane, Table}}}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Request, Lanes) ->
    {noreply, Lanes}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', Monitor, process, _Pid, _Reason}, Lanes) ->
    {Lane, Rest} = maps:take(Monitor, Lanes),
    gone(Lane),
    {noreply, Rest};
handle_info(_Other, Lanes) ->
    {noreply, Lanes}.

%% The lanes are stopped before their guardian.
-spec terminate(term(), state()) -> ok.
terminate(_Reason, Lanes) ->
    lists:foreach(fun gone/1, maps:values(Lanes)).

-spec gone(lane()) -> true.
gone({Number, Pid, Table}) ->
    withdraw(?LANE(Number), Pid),
    ets:foldl(fun({Ref, Process, _Slot, Socket}, ok) ->
                      Process ! {'$socket', Socket, abort, {Ref, closed}},
                      ok
              end, ok, Table),
    ets:delete(Table).

%% A new run of the lane may have put its own term there already.
-spec withdraw(?LANE(non_neg_integer()), pid()) -> boolean().
withdraw(Key, Pid) ->
    case persistent_term:get(Key, none) of
        #gosocket_lane{pid = Pid} -> persistent_term:erase(Key);
        _ -> false
    end.
