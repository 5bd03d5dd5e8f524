%% What suites with other nodes include besides gosocket_test.hrl: their set-up. Such a suite defines ABSENT before, why the
%% reference has nothing of what it is about; TIMETRAP, in seconds, if a minute is too little for a case; BESIDE as gosocket_test.hrl
%% has it; and WITH_HOME if one other node, `home' in the configuration, serves all cases.

-ifndef(TIMETRAP).
-define(TIMETRAP, 60).
-endif.
-ifndef(BESIDE).
-define(BESIDE, []).
-endif.

-export([all/0, groups/0, suite/0, init_per_suite/1, end_per_suite/1, nothing_is_left_behind/1]).

-spec all() -> [atom() | {group, beside}].
all() -> gosocket_test_lib:cases(?MODULE, ?BESIDE).

-spec groups() -> [{beside, [parallel], [atom()]}].
groups() -> [{beside, [parallel], ?BESIDE}].

-spec suite() -> [term()].
suite() -> [{timetrap, {seconds, ?TIMETRAP}}].

-spec end_per_suite(config()) -> ok.
end_per_suite(_) -> gosocket_test_cluster:close().

-spec init_per_suite(config()) -> config() | {skip, string()}.
init_per_suite(Config) -> opened(?REFERENCE_RUN, Config).

-spec opened(Reference :: boolean(), config()) -> config() | {skip, string()}.
opened(true, _) ->
    {skip, ?ABSENT};
opened(false, Config) ->
    ok = gosocket_test_cluster:open(),
    with_home(gosocket_test_lib:init_suite("", Config)).

-spec nothing_is_left_behind(config()) -> ok.
nothing_is_left_behind(Config) ->
    without_home(Config),
    gosocket_test_leaks:check(proplists:get_value(snapshot, Config)).

-spec with_home(config()) -> config().
-ifdef(WITH_HOME).
with_home(Config) -> [{home, gosocket_test_cluster:start_node()} | Config].

-spec without_home(config()) -> ok.
without_home(Config) -> gosocket_test_cluster:stop_node(home(Config)).

-spec home(config()) -> node().
home(Config) -> proplists:get_value(home, Config).
-else.
with_home(Config) -> Config.

-spec without_home(config()) -> ok.
without_home(_) -> ok.
-endif.
