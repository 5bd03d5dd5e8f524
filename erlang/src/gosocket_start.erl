%% @private
%% @doc Starting on demand: the first open, or the first call with another node's handle, starts the
%% application and what it needs there, from any process, in bounded time.
-module(gosocket_start).

-export([load/0,
         lane/1,
         find_lane/1,
         new_lane/2,
         end_lane/1,
         remote/1]).

-export_type([new_lane/0]).

%% The process that starts.
-export([run/1]).

%% While the node stops, or from another application's prep_stop/1, the application controller never
%% answers.
-define(PATIENCE, 5000).
-define(LOADING, 2000).

%% @doc Loads the application, so that its variables are known. Who asks while the node stops waits for less than for a lane.
-spec load() -> ok | {error, term()}.
load() ->
    bounded(load, ?LOADING).

%% @doc The lane of this number; its helper may still have its hello to say.
-spec lane(Number :: non_neg_integer()) -> {ok, pid()} | {error, atom()}.
lane(Number) ->
    case gosocket_platform:check() of
        ok -> bounded({lane, Number});
        {error, Reason} -> {error, Reason}
    end.

%% @doc The number of a lane with a name, of which nobody here knows yet.
-spec find_lane(atom()) -> {ok, Number :: non_neg_integer()} | {error, {no_lane, atom()} | atom()}.
find_lane(Name) ->
    bounded({find_lane, Name}).

%% @doc For {@link gosocket_lanes:start/2}.
-spec new_lane(gosocket_lanes:name(), gosocket_lanes:settings()) -> new_lane().
new_lane(Name, Settings) ->
    case gosocket_platform:check() of
        ok -> bounded({new_lane, Name, Settings});
        {error, Reason} -> {error, Reason}
    end.

%% @doc For {@link gosocket_lanes:stop/1}: returns when everybody who waited for the lane has been answered.
-spec end_lane(Number :: non_neg_integer()) -> ok | {error, closed}.
end_lane(Number) ->
    bounded({end_lane, Number}).

%% @doc Who calls that node.
-spec remote(node()) -> {ok, pid()} | {error, closed}.
remote(Node) ->
    bounded({remote, Node}).

-type what() :: load
              | {lane, non_neg_integer()}
              | {find_lane, atom()}
              | {new_lane, gosocket_lanes:name(), gosocket_lanes:settings()}
              | {end_lane, non_neg_integer()}
              | {remote, node()}.

-type new_lane() :: {ok, pid(), Number :: non_neg_integer()} | {error, {already_started, pid()} | atom()}.

-spec bounded(what()) -> term() | {error, closed}.
bounded(What) ->
    bounded(What, ?PATIENCE).

-spec bounded(what(), timeout()) -> term() | {error, closed}.
bounded(What, Patience) ->
    {Starter, Monitor} = spawn_monitor(?MODULE, run, [What]),
    receive
        {'DOWN', Monitor, process, Starter, {?MODULE, Result}} -> Result;
        {'DOWN', Monitor, process, Starter, _} -> {error, closed}
    after Patience ->
        demonitor(Monitor, [flush]),
        exit(Starter, kill),
        {error, closed}
    end.

%% Who is asked may be killed, or be about to end with somebody who was: the next one is asked.
-spec run(what()) -> no_return().
run(load) ->
    exit({?MODULE, application:load(gosocket)});
run(What) ->
    exit({?MODULE, case application:ensure_all_started(gosocket) of
                       {ok, _} ->
                           try
                               start(What)
                           catch
                               exit:_ ->
                                   receive after 1 -> run(What) end
                           end;
                       {error, _} ->
                           {error, closed}
                   end}).

-spec start(what()) -> term().
start({lane, Number}) -> started(Number, gosocket_sup:start_lane(Number));
start({find_lane, Name}) -> gosocket_names:know(Name);
start({new_lane, Name, Settings}) -> added(gosocket_names:add(Name, Settings));
start({end_lane, Number}) -> ended(Number, gosocket_door:look(Number));
start({remote, Node}) -> gosocket_nodes:start_remote(Node).

%% Of those who start a lane at the same time the first one has it, whoever starts the process.
-spec added({new | already, Number :: non_neg_integer()} | {error, atom()}) -> new_lane().
added({_, Number} = Added) when is_integer(Number) ->
    new(Added, started(Number, gosocket_sup:start_lane(Number)));
added({error, Reason}) ->
    {error, Reason}.

-spec new({new | already, Number :: non_neg_integer()}, {ok, pid()} | {error, atom()}) -> new_lane().
new({new, Number}, {ok, Lane}) ->
    {ok, Lane, Number};
new({already, _}, {ok, Lane}) ->
    {error, {already_started, Lane}};
new({new, Number}, Error) ->
    gosocket_names:remove(Number),
    gosocket_names:removed(Number),
    Error;
new({already, _}, Error) ->
    Error.

-spec ended(Number :: non_neg_integer(), {pid(), term()} | none) -> ok.
ended(Number, Running) ->
    gosocket_names:remove(Number),
    gosocket_sup:end_lane(Number),
    case Running of
        {Lane, _} -> gosocket_guardian:await_gone(Lane);
        none -> ok
    end,
    gosocket_names:removed(Number).

-spec started(non_neg_integer(), supervisor:startchild_ret()) -> {ok, pid()} | {error, atom()}.
started(_Number, {ok, Lane}) when is_pid(Lane) ->
    {ok, Lane};
started(Number, {error, {already_started, Lane}}) when is_pid(Lane) ->
    case is_process_alive(Lane) of
        true ->
            {ok, Lane};
        false ->
            %% its supervisor does not know yet
            receive after 1 -> start({lane, Number}) end
    end;
started(_Number, {error, {{no_helper, Posix}, _Child}}) ->
    {error, Posix};
started(Number, {error, {no_lanes, _Child}}) ->
    %% who knows them was killed, and is about to be there again
    receive after 1 -> start({lane, Number}) end;
started(_Number, _) ->
    {error, closed}.
