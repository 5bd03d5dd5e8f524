%% @private
%% @doc The guardian, who knows the lanes, the door to other nodes, and the lanes that {@link gosocket_start} adds on demand. Lanes are temporary: one
%% that ended is started again by the next open, so a helper that cannot run is no restart storm.
-module(gosocket_sup).

-behaviour(supervisor).

-export([start_link/0,
         succeed/1,
         start_lane/1,
         end_lanes/1,
         end_all/3]).

-export([init/1]).

%% Neither of the two that are started again can fail by itself: one that ends was ended, by somebody whose affair it is how
%% often, and who did not ask for the end of the application, or of a node to which that is permanent. Restarts in one
%% second that only a start that fails at once can reach.
-define(RESTARTS, 10000).

%% For a process to end in whose supervisor or application master was killed.
-define(PATIENCE, 5000).

%% For lanes to end in that are stopped: one that is suspended does not. Whoever asks waits for less than that of a start.
-define(ENDING, 4000).

-type started() :: {ok, pid()} | {error, term()} | ignore.

-spec start_link() -> started().
start_link() ->
    succeed(fun() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []) end).

%% @doc Starts a process with a name. One that has it still is about to end, as whoever it belonged to has.
-spec succeed(fun(() -> started())) -> started().
succeed(Start) ->
    case Start() of
        {error, {already_started, Pid}} = Error ->
            Monitor = monitor(process, Pid),
            receive
                {'DOWN', Monitor, process, Pid, _} -> succeed(Start)
            after ?PATIENCE ->
                demonitor(Monitor, [flush]),
                Error
            end;
        Started ->
            Started
    end.

-spec start_lane(Number :: non_neg_integer()) -> supervisor:startchild_ret().
start_lane(Number) ->
    supervisor:start_child(?MODULE, #{id => {gosocket_lane, Number},
                                      start => {gosocket_lane, start_link, [Number]},
                                      restart => temporary,
                                      shutdown => 5000}).

%% @doc Ends lanes in order. The supervisor, which starts all of them, waits for none: it learns of their ends.
-spec end_lanes([Lane :: pid()]) -> ok.
end_lanes(Lanes) ->
    end_all(Lanes, fun(Lane) -> exit(Lane, shutdown) end, ?ENDING).

%% @doc Tells processes to end, and returns when they have. All of them together have so many milliseconds.
-spec end_all([pid()], Tell :: fun((pid()) -> term()), Patience :: pos_integer()) -> ok.
end_all(Processes, Tell, Patience) ->
    Monitors = [{Process, monitor(process, Process)} || Process <- Processes],
    lists:foreach(Tell, Processes),
    Deadline = erlang:monotonic_time(millisecond) + Patience,
    lists:foreach(fun({Process, Monitor}) -> await_end(Process, Monitor, Deadline) end, Monitors).

-spec await_end(pid(), reference(), Deadline :: integer()) -> ok.
await_end(Process, Monitor, Deadline) ->
    receive
        {'DOWN', Monitor, process, Process, _} -> ok
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        exit(Process, kill),
        receive
            {'DOWN', Monitor, process, Process, _} -> ok
        end
    end.

%% A lane's selects are in a table of the guardian's, its copies of options in one of who knows the lanes, and the processes for other nodes are lanes or callers of lanes: the
%% end of one of these is the end of those behind it.
-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Guardian = #{id => gosocket_guardian, start => {gosocket_guardian, start_link, []}},
    Lanes = #{id => gosocket_names, start => {gosocket_names, start_link, []}},
    Nodes = #{id => gosocket_nodes, start => {gosocket_nodes, start_link, []}},
    {ok, {#{strategy => rest_for_one, intensity => ?RESTARTS, period => 1}, [Guardian, Lanes, Nodes]}}.
