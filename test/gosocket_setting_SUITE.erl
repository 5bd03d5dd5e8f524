%% The setting under which the suites run (see .ci/matrix) is in effect: in this node, and in those that cases start.
%% GOSOCKET_TEST_SETTING names it as LOOPS:SPIN:SCHEDULERS:LANES; without it, nothing is set.
-module(gosocket_setting_SUITE).

-export([
    setting_of_this_run_is_in_effect/1,
    setting_of_this_run_is_in_effect_in_a_fresh_node/1,
    every_value_reaches_a_fresh_node/1
]).
%% In fresh nodes.
-export([setting/0]).

-define(OURS, [setting_of_this_run_is_in_effect, setting_of_this_run_is_in_effect_in_a_fresh_node,
               every_value_reaches_a_fresh_node]).
-include("gosocket_test.hrl").

%% `helper' is what the helper was started with, `lane' and `caller' how often these poll, `lanes' how many default ones run when each was used.
-type setting() :: #{helper := [string()], lane := default | term(), caller := default | term(), schedulers := pos_integer(),
                     lanes := pos_integer()}.

-spec setting_of_this_run_is_in_effect(config()) -> term().
setting_of_this_run_is_in_effect(_) ->
    ?assertEqual(of_this_run(), setting()).

-spec setting_of_this_run_is_in_effect_in_a_fresh_node(config()) -> term().
setting_of_this_run_is_in_effect_in_a_fresh_node(_) ->
    ?assertEqual(of_this_run(), in_fresh_node([])).

-spec every_value_reaches_a_fresh_node(config()) -> term().
every_value_reaches_a_fresh_node(_) ->
    [?assertEqual(expected(Loops, Spin, Schedulers, Lanes),
                  in_fresh_node([{"ERL_AFLAGS", flags(Loops, Spin, Schedulers, Lanes)}]))
     || {Loops, Spin, Schedulers, Lanes} <- [{1, on, 4, 2}, {3, off, 1, 1}]].

-spec in_fresh_node([{string(), string()}]) -> term().
in_fresh_node(Environment) ->
    {{returned, Setting}, _} =
        gosocket_test_node:wait(gosocket_test_node:start(?MODULE, setting, [], Environment)),
    Setting.

-spec of_this_run() -> setting().
of_this_run() ->
    case os:getenv("GOSOCKET_TEST_SETTING") of
        false ->
            #{helper => [], lane => default, caller => default, schedulers => erlang:system_info(schedulers), lanes => 1};
        Text ->
            [Loops, Spin, Schedulers, Lanes] = string:lexemes(Text, ":"),
            expected(list_to_integer(Loops), list_to_atom(Spin), list_to_integer(Schedulers), list_to_integer(Lanes))
    end.

-spec expected(pos_integer(), on | off, pos_integer(), pos_integer()) -> setting().
expected(Loops, Spin, Schedulers, Lanes) ->
    Helper = ["-loops", integer_to_list(Loops)],
    case Spin of
        on -> #{helper => Helper, lane => default, caller => default, schedulers => Schedulers, lanes => Lanes};
        off -> #{helper => Helper ++ ["-spin-us", "0"], lane => 0, caller => 0, schedulers => Schedulers, lanes => Lanes}
    end.

-spec flags(pos_integer(), on | off, pos_integer(), pos_integer()) -> string().
flags(Loops, Spin, Schedulers, Lanes) ->
    Off = case Spin of
              on -> "";
              off -> "-gosocket spin_us 0 -gosocket lane_spin 0 -gosocket caller_spin 0"
          end,
    lists:flatten(io_lib:format("-gosocket loops ~b -gosocket default_lanes ~b ~s +S ~b:~b", [Loops, Lanes, Off, Schedulers, Schedulers])).

-spec setting() -> setting().
setting() ->
    {ok, Socket} = ?S:open(inet, stream),
    _ = in_each_lane(fun() -> {ok, _} = ?S:open(inet, stream) end),
    {ok, CommandLine} = file:read_file("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/cmdline"),
    ok = ?S:close(Socket),
    Lanes = [Lane || Lane <- gosocket_lanes:which(), Lane =:= default orelse is_tuple(Lane)],
    [_ | Arguments] = string:lexemes(binary_to_list(CommandLine), [0]),
    #{helper => Arguments,
      lane => variable(lane_spin),
      caller => variable(caller_spin),
      schedulers => erlang:system_info(schedulers_online),
      lanes => length(Lanes)}.

-spec variable(atom()) -> default | term().
variable(Name) ->
    case application:get_env(gosocket, Name) of
        undefined -> default;
        {ok, Value} -> Value
    end.
