%% Every option of the tables through the API, by name and by number.
-module(gosocket_option_table_SUITE).

-export([
    options_of_level_socket_are_set_and_read/1,
    options_of_level_ip_are_set_and_read/1,
    options_of_level_ipv6_are_set_and_read/1,
    options_of_level_tcp_are_set_and_read/1,
    options_of_level_udp_are_set_and_read/1,
    options_of_level_sctp_are_set_and_read/1,
    options_of_level_packet_are_set_and_read/1
]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-include("gosocket_test.hrl").

-spec options_of_level_socket_are_set_and_read(config()) -> ok.
options_of_level_socket_are_set_and_read(_) -> gosocket_test_option:check(socket).

-spec options_of_level_ip_are_set_and_read(config()) -> ok.
options_of_level_ip_are_set_and_read(_) -> gosocket_test_option:check(ip).

-spec options_of_level_ipv6_are_set_and_read(config()) -> ok.
options_of_level_ipv6_are_set_and_read(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    gosocket_test_option:check(ipv6).

-spec options_of_level_tcp_are_set_and_read(config()) -> ok.
options_of_level_tcp_are_set_and_read(_) -> gosocket_test_option:check(tcp).

-spec options_of_level_udp_are_set_and_read(config()) -> ok.
options_of_level_udp_are_set_and_read(_) -> gosocket_test_option:check(udp).

-spec options_of_level_sctp_are_set_and_read(config()) -> ok.
options_of_level_sctp_are_set_and_read(_) -> gosocket_test_option:check(sctp).

-spec options_of_level_packet_are_set_and_read(config()) -> ok.
options_of_level_packet_are_set_and_read(_) -> gosocket_test_option:check(packet).
