%% @private
%% @doc The guardian, the door to other nodes, and the lanes that {@link gosocket_start} adds on demand. Lanes are temporary: one
%% that ended is started again by the next open, so a helper that cannot run is no restart storm.
-module(gosocket_sup).

-behaviour(supervisor).

-export([start_link/0,
         start_lane/1]).

-export([init/1]).

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec start_lane(Number :: non_neg_integer()) -> supervisor:startchild_ret().
start_lane(Number) ->
    supervisor:start_child(?MODULE, #{id => {gosocket_lane, Number},
                                      start => {gosocket_lane, start_link, [Number]},
                                      restart => temporary,
                                      shutdown => 5000}).

%% A lane's selects are in a table of the guardian's: without the one there is not the other.
-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Guardian = #{id => gosocket_guardian, start => {gosocket_guardian, start_link, []}},
    Nodes = #{id => gosocket_nodes, start => {gosocket_nodes, start_link, []}},
    {ok, {#{strategy => rest_for_one}, [Guardian, Nodes]}}.
