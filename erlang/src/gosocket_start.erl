%% @private
%% @doc Starting on demand: the first open, or the first call with another node's handle, starts the
%% application and what it needs there, from any process, in bounded time.
-module(gosocket_start).

-export([load/0,
         lane/1,
         find_lane/1,
         new_lane/2,
         end_lanes/1,
         remote/1]).

%% Processes that start.
-export([run/1,
         run_lane/1]).

%% While the node stops, or from another application's prep_stop/1, the application controller never
%% answers.
-define(PATIENCE, 5000).
-define(LOADING, 2000).

%% @doc Loads the application, so that its variables are known. Who asks while the node stops waits for less than for a lane.
-spec load() -> ok | {error, term()}.
load() ->
    bounded(load, ?LOADING).

%% @doc The lane of this number; its helper may still have its hello to say. It is gone when somebody has stopped it since its name was
%% looked for, or who knew it was killed.
-spec lane(Number :: non_neg_integer()) -> {ok, pid()} | {error, atom()}.
lane(Number) ->
    case gosocket_platform:check() of
        ok -> still(bounded({lane, Number}));
        {error, Reason} -> {error, Reason}
    end.

-spec still({ok, pid()} | {error, atom()}) -> {ok, pid()} | {error, atom()}.
still({error, no_lane}) -> {error, closed};
still(Lane) -> Lane.

%% @doc The number of a lane with a name that does not run.
-spec find_lane(atom()) -> {ok, Number :: non_neg_integer()} | {error, {no_lane, atom()} | atom()}.
find_lane(Name) ->
    bounded({find_lane, Name}).

%% @doc For {@link gosocket_lanes:start/2}. Who knows the lanes may be killed: those who come after him are asked again.
-spec new_lane(gosocket_lanes:name(), gosocket_lanes:settings()) -> gosocket_names:started().
new_lane(Name, Settings) ->
    case gosocket_platform:check() of
        ok -> asked(bounded(application), Name, Settings);
        {error, Reason} -> {error, Reason}
    end.

-spec asked(ok | {error, closed}, gosocket_lanes:name(), gosocket_lanes:settings()) -> gosocket_names:started().
asked(ok, Name, Settings) ->
    try
        gosocket_names:start(Name, Settings)
    catch
        exit:_ ->
            receive after 1 -> new_lane(Name, Settings) end
    end;
asked(Error, _Name, _Settings) ->
    Error.

%% @doc For {@link gosocket_lanes:stop/1}: returns when everybody who waited for the lane has been answered. Where the application does not
%% run it is not started for that.
-spec end_lanes(gosocket_lanes:name()) -> ok | {error, {no_lane, gosocket_lanes:name()} | einval | closed}.
end_lanes(Name) ->
    case whereis(gosocket_sup) of
        undefined -> gosocket_names:is_configured(Name);
        _ -> bounded({end_lanes, Name})
    end.

%% @doc Who calls that node.
-spec remote(node()) -> {ok, pid()} | {error, closed}.
remote(Node) ->
    bounded({remote, Node}).

-type what() :: load
              | application
              | {lane, non_neg_integer()}
              | {find_lane, atom()}
              | {end_lanes, gosocket_lanes:name()}
              | {remote, node()}.

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
start(application) -> ok;
start({lane, Number}) -> started(Number, gosocket_sup:start_lane(Number));
start({find_lane, Name}) -> gosocket_names:know(Name);
start({end_lanes, Name}) -> ended(gosocket_names:stop(Name));
start({remote, Node}) -> gosocket_nodes:start_remote(Node).

%% @doc Asks for a lane for {@link gosocket_names}.
-spec run_lane(Number :: non_neg_integer()) -> no_return().
run_lane(Number) ->
    case start({lane, Number}) of
        {ok, _} -> exit(normal);
        {error, Reason} -> exit({shutdown, {no_helper, Reason}})
    end.

-spec ended({ok, [pid()]} | {error, Reason}) -> ok | {error, Reason}.
ended({ok, Lanes}) ->
    gosocket_sup:end_lanes(Lanes),
    lists:foreach(fun gosocket_guardian:await_gone/1, Lanes);
ended({error, Reason}) ->
    {error, Reason}.

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
